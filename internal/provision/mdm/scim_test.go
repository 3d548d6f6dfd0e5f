/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
	"tegata.dev/tegata/internal/provision/scim"
)

// failing is a service that ends every call with an error.
type failing struct {
	provision.Target
	err error
}

func (f failing) Create(context.Context, provision.Desired) (*provision.Account, error) {
	return nil, f.err
}

func (f failing) Update(context.Context, provision.Account, provision.Desired) (*provision.Account, error) {
	return nil, f.err
}

func (f failing) Delete(context.Context, provision.Account) error { return f.err }

func TestRefusalsBySCIM(t *testing.T) {
	create := func(s SCIM) error {
		_, err := s.Create(t.Context(), provision.Desired{})
		return err
	}
	update := func(s SCIM) error {
		_, err := s.Update(t.Context(), provision.Account{}, provision.Desired{})
		return err
	}
	remove := func(s SCIM) error { return s.Delete(t.Context(), provision.Account{}) }
	for name, test := range map[string]struct {
		do    func(SCIM) error
		cause provision.Cause
		says  string
		want  provision.Cause
		tells string
	}{
		"licence":                {create, provision.Forbidden, "No license left.", provision.LicenseLimit, "(The service says: No license left.)"},
		"licence, in Japanese":   {update, provision.Invalid, "ライセンス数の上限です", provision.LicenseLimit, "no user licence left"},
		"mail":                   {create, provision.Conflict, "The mail is in use.", provision.Conflict, "Refused."},
		"character":              {create, provision.Invalid, "givenName has ①.", provision.Invalid, "Refused."},
		"device":                 {remove, provision.Invalid, "A device is enrolled.", provision.DeviceEnrolled, "release the device"},
		"device, in Japanese":    {remove, provision.Forbidden, "端末が登録されています", provision.DeviceEnrolled, "(The service says: 端末"},
		"something depends":      {remove, provision.Conflict, "", provision.DeviceEnrolled, "most likely"},
		"permission to delete":   {remove, provision.Forbidden, "Read only.", provision.Forbidden, "Refused."},
		"down, speaks of device": {remove, provision.Unavailable, "device service down", provision.Unavailable, "Refused."},
		"down, speaks of seats":  {create, provision.Unavailable, "seat service down", provision.Unavailable, "Refused."},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			below := &provision.Error{Cause: test.cause, Code: "409", RequestID: "7", Message: "Refused.", Said: test.says}
			e := refusal(t, test.do(SCIM{failing{err: below}}), test.want)
			g.Expect(e.Message).To(ContainSubstring(test.tells))
			g.Expect([]string{e.Code, e.RequestID}).To(Equal([]string{"409", "7"}))
		})
	}
	g := NewWithT(t)
	g.Expect(create(SCIM{failing{}})).To(Succeed())
	g.Expect(remove(SCIM{failing{}})).To(Succeed())
	g.Expect(remove(SCIM{failing{err: context.Canceled}})).To(MatchError(context.Canceled))
	_, groups := any(SCIM{}).(provision.GroupTarget)
	g.Expect(groups).To(BeFalse())
}

// What the SCIM client makes of a service's words is what SCIM reads.
func TestRefusalsOfASCIMService(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, said := http.StatusNotFound, ""
		switch r.Method {
		case http.MethodPost:
			status, said = http.StatusForbidden, "ライセンスがありません"
		case http.MethodDelete:
			status, said = http.StatusBadRequest, "Android Enterprise device enrolled"
		}
		w.Header().Set("Content-Type", "application/scim+json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"status":"400","detail":"` + said + `"}`))
	}))
	t.Cleanup(server.Close)
	service, err := scim.New(scim.Options{
		URL: server.URL, Authentication: scim.Authentication{Bearer: "token"}, Roles: Words(),
		HTTP: client.New(client.Options{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}),
	})
	g.Expect(err).NotTo(HaveOccurred())
	s := SCIM{service}
	desired, err := s.Desire(hanako())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = s.Create(t.Context(), desired)
	g.Expect(refusal(t, err, provision.LicenseLimit).Message).To(HaveSuffix("(The service says: ライセンスがありません)"))
	g.Expect(refusal(t, s.Delete(t.Context(), provision.Account{ExternalID: "1"}), provision.DeviceEnrolled).Message).To(HaveSuffix("(The service says: Android Enterprise device enrolled)"))
}
