/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzNormalizeMail(f *testing.F) {
	for _, seed := range []string{"Taro@acme.example", "ｔａｒｏ＠ａｃｍｅ．ｅｘａｍｐｌｅ", "ﾔﾏﾀﾞ@x", "か\u3099@x", "İ@x", "\xff\u0301@x", " \u3000a", "ǅ", "\u1e9e", "ſ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, mail string) {
		once := NormalizeMail(mail)
		if twice := NormalizeMail(once); twice != once {
			t.Fatalf("%q becomes %q, and that becomes %q", mail, once, twice)
		}
		if !utf8.ValidString(once) {
			t.Fatalf("%q becomes %q, which is no UTF-8", mail, once)
		}
		if upper := NormalizeMail(" " + mail + "\t"); upper != once {
			t.Fatalf("%q becomes %q, but with space around it %q", mail, once, upper)
		}
	})
}

func FuzzCheckPassword(f *testing.F) {
	for _, seed := range []string{"password1", "aaaabbbb", "1234abcd", "パスワード12345", "ﾊﾟｽﾜｰﾄﾞ1", "\xff\xfe\xfdabc12", "か\u3099きくけこ12", "19/12/1990a", "@4$0!1|7", strings.Repeat("あ1", 21), "İİİİİİİ1", "KKKKKKK1"} {
		f.Add(seed, "taro@acme.example", "山田")
	}
	f.Fuzz(func(t *testing.T, password, mail, family string) {
		member := Member{Mail: mail, Person: PersonName{Family: family}}
		err := CheckPassword(password, member)
		if err == nil && (utf8.RuneCountInString(password) < MinPasswordCharacters || len(password) > MaxPasswordBytes) {
			t.Fatalf("%q was accepted", password)
		}
		if score := PasswordStrength(password, member); score < 0 || score > 4 {
			t.Fatalf("%q has strength %d", password, score)
		}
	})
}

// FuzzSelector checks the laws between the operators: In and NotIn, Exists and
// DoesNotExist exclude each other, and a label is as its In with one value.
func FuzzSelector(f *testing.F) {
	f.Add("department", "sales", "department", "sales")
	f.Add("department", "sales", "site", "tokyo")
	f.Add("", "", "", "")
	f.Fuzz(func(t *testing.T, key, value, label, labelValue string) {
		labels := map[string]string{label: labelValue}
		matches := func(operator string, values ...string) bool {
			return Selector{MatchExpressions: []SelectorRequirement{{Key: key, Operator: operator, Values: values}}}.Matches(labels)
		}
		if matches("In", value) == matches("NotIn", value) || matches("Exists") == matches("DoesNotExist") {
			t.Fatalf("key %q, value %q and labels %q: opposite operators agree", key, value, labels)
		}
		if (Selector{MatchLabels: map[string]string{key: value}}).Matches(labels) != matches("In", value) {
			t.Fatalf("key %q, value %q and labels %q: a label is not as its In", key, value, labels)
		}
		if matches("In", value) && !matches("Exists") {
			t.Fatalf("key %q, value %q and labels %q: In what does not exist", key, value, labels)
		}
	})
}
