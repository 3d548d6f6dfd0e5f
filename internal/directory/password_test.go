/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func taro() Member {
	return Member{
		Tenant: "acme", Name: "yamada-taro", Mail: "Taro.Yamada@acme.example", Phone: "03-6435-8570",
		Person: PersonName{Family: "山田", Given: "太郎", PhoneticFamily: "ヤマダ", PhoneticGiven: "タロウ"},
	}
}

func TestCheckPassword(t *testing.T) {
	for password, want := range map[string]error{
		"":         ErrPasswordTooShort,
		"k8#mQ2x":  ErrPasswordTooShort,
		"kd8#mQ2x": nil,
		// Characters count, not bytes.
		"東京特許許可局":  ErrPasswordTooShort,
		"東京特許許可7局": nil,

		strings.Repeat("kd8#mQ2x", 16):       nil,
		strings.Repeat("kd8#mQ2x", 16) + "a": ErrPasswordTooLong,
		strings.Repeat("東", 43) + "1":        ErrPasswordTooLong,

		"zkwvhqpt":         ErrPasswordTooPlain,
		"80295173":         ErrPasswordTooPlain,
		"#$%&!?*+":         ErrPasswordTooPlain,
		"東京特許許可局員":         ErrPasswordTooPlain,
		"ヷがぎぐげござじ":         ErrPasswordTooPlain,
		"か\u3099きくけこさしす":   ErrPasswordTooPlain, // the mark of a decomposed が is no symbol
		"zkwv hqpt":        ErrPasswordTooPlain,
		"zkwv\u3000hqptyx": ErrPasswordTooPlain,
		"        ":         ErrPasswordTooPlain,
		"zkwvhqp1":         nil,
		"zkwvhqp!":         nil,

		"taro.yamada@acme.example":   ErrPasswordIsMail,
		"TARO.YAMADA@ACME.EXAMPLE":   ErrPasswordIsMail,
		"taro.yamada":                ErrPasswordIsMail,
		" taro.yamada ":              ErrPasswordIsMail,
		"ｔａｒｏ．ｙａｍａｄａ":                ErrPasswordIsMail,
		"taro.yamada1":               ErrPasswordCommon,
		"yamada-taro":                ErrPasswordCommon,
		"Yamada2026":                 ErrPasswordCommon,
		"acme2026!":                  ErrPasswordCommon,
		"03-6435-8570a":              ErrPasswordCommon,
		"山田太郎山田太郎1":                  ErrPasswordCommon,
		"ヤマダタロウ123":                  ErrPasswordCommon,
		"taro.yamada/kd8#mQ2x":       nil,
		"taro.yamada@elsewhere.test": ErrPasswordCommon,

		// The requirement's own examples (A4).
		"password1": ErrPasswordCommon,
		"aaaabbbb":  ErrPasswordTooPlain, // and with a digit:
		"aaaabbbb1": ErrPasswordCommon,
		"1234abcd":  ErrPasswordCommon,

		"Passw0rd!":  ErrPasswordCommon,
		"P@ssw0rd1":  ErrPasswordCommon,
		"qwerty12":   ErrPasswordCommon,
		"1q2w3e4r":   ErrPasswordCommon,
		"abcdefg1":   ErrPasswordCommon,
		"11111111a":  ErrPasswordCommon,
		"19901231a":  ErrPasswordCommon,
		"ｐａｓｓｗｏｒｄ１":  ErrPasswordCommon,
		"ああああああああ1":  ErrPasswordCommon,
		"ーーーーーーーー1":  ErrPasswordCommon,
		"パスワード12345": ErrPasswordCommon,
		"あいうえお12345": ErrPasswordCommon,

		"東京特許許可局2026":      nil,
		"桜咲く、三月の電車77":      nil,
		"kd8#mQ2x\x00\x01": nil,
		"пароль-Щука-48":   nil,
		"🦊🌸🚃🗻🍙🎏🦉a":         nil,
	} {
		t.Run(password, func(t *testing.T) {
			g := NewWithT(t)
			if want == nil {
				g.Expect(CheckPassword(password, taro())).To(Succeed())
			} else {
				g.Expect(CheckPassword(password, taro())).To(MatchError(want))
			}
		})
	}
}

func TestCheckPasswordKnowsNothingOfNobody(t *testing.T) {
	g := NewWithT(t)
	g.Expect(CheckPassword("kd8#mQ2x", Member{})).To(Succeed())
	g.Expect(CheckPassword("kd8#mQ2x", Member{Mail: "k@acme.example", Name: "8", Person: PersonName{Family: "m", Given: "Q"}})).To(
		Succeed(), "one letter of a name is no clue")
}

// A log-in page must not be slowed down by what somebody types.
func TestCheckPasswordIsFast(t *testing.T) {
	for name, password := range map[string]string{
		"digits":     strings.Repeat("1234567890", 12) + "a",
		"leet":       strings.Repeat("@4$0", 31) + "a",
		"keyboard":   strings.Repeat("qwertyuiop", 12) + "1",
		"dates":      strings.Repeat("19901010", 15) + "a",
		"words":      strings.Repeat("password", 15) + "1",
		"Japanese":   strings.Repeat("パスワード", 8) + "1",
		"a megabyte": strings.Repeat("a1", 1<<19),
	} {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			_ = CheckPassword(password, taro())
			NewWithT(t).Expect(time.Since(started)).To(BeNumerically("<", 2*time.Second))
		})
	}
}

func TestPasswordStrengthRises(t *testing.T) {
	g := NewWithT(t)
	g.Expect(PasswordStrength("", Member{})).To(Equal(0))
	g.Expect(PasswordStrength("password", Member{})).To(Equal(0))
	g.Expect(PasswordStrength("kd8#mQ2xT!9v", Member{})).To(Equal(4))
	g.Expect(PasswordStrength("zebra42!", Member{})).To(BeNumerically(">", PasswordStrength("zebra42!", Member{Name: "zebra42!"})))
}
