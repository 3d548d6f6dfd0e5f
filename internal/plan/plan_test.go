/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package plan_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
)

var update = flag.Bool("update", false, "write the golden files anew")

func reference(kind, name string) plan.Reference {
	return plan.Reference{Kind: kind, Namespace: "acme", Name: name}
}

// full has one of everything, out of order.
func full() plan.Plan {
	made := plan.Plan{
		Objects: []plan.Object{
			{Reference: reference("LinkApp", "handbook"), Operation: plan.Delete},
			{Reference: reference("Member", "saburo"), Operation: plan.Delete}, {Reference: reference("Member", "shiro"), Operation: plan.Delete},
			{Reference: reference("Member", "chiyo"), Operation: plan.Delete},
			{Reference: reference("Member", "taro"), Operation: plan.Update, Fields: []plan.Field{
				{Path: "spec.mail", From: "taro@acme.example", To: "t.yamada@acme.example"},
				{Path: "spec.phone", From: "03-1111-1111"},
				{Path: "metadata.labels.team", To: "it\u202e\nevil"},
			}},
			{Reference: reference("Member", "hanako"), Operation: plan.Create},
			{Reference: reference("Group", "it"), Operation: plan.Reject, Error: "spec.members: <b>too few</b> ``` |"},
		},
		Effects:  []plan.Effect{{Namespace: "acme", Member: "taro", Gains: []string{"app SAMLApp/wiki"}, Loses: []string{"log-in"}}},
		Problems: []plan.Problem{{Reference: reference("Member", "jiro"), Reason: "Conflict", Message: "mail: is taken.", New: true}, {Reference: reference("Group", "old"), Reason: "InvalidSpec", Message: "As ever."}},
		Held: []plan.Held{
			{Reference: reference("Member", "saburo"), Message: "Too many at once."}, {Reference: reference("Member", "chiyo"), Message: "The last SuperAdmin."},
			{Reference: reference("Member", "shiro"), Message: "Too many at once."},
		},
		Targets: []plan.Target{{Reference: reference("ProvisioningTarget", "chat"), Unchanged: 3, FromStatus: true, Remarks: []string{"The service was not asked: you may not read Secret chat."}, Accounts: []plan.Account{
			{Member: "taro", UserName: "taro@acme.example", Action: provision.Update, Changes: []plan.Change{{Property: "phone", From: "03", To: ""}}},
			{Member: "hanako", UserName: "hanako@acme.example", Action: provision.Create, Changes: []plan.Change{{Property: "phone"}, {Property: "displayName", To: "佐藤 花子"}}},
			{Member: "gone", UserName: "gone@acme.example", Action: provision.Delete},
			{Member: "kept", UserName: "kept@acme.example", Action: provision.Disable, Held: true, Message: "Too many at once."},
			{Member: "kept-2", UserName: "kept2@acme.example", Action: provision.Disable, Held: true, Message: "Too many at once."},
			{Member: "theirs", Action: provision.Refuse, Cause: "Conflict", Message: "It is there already."},
		}, Groups: []plan.Group{
			{Group: "sales", DisplayName: "営業一部", Formerly: "営業部", Action: provision.Update, Joins: []string{"hanako"}, Leaves: []string{"gone", "kept"}},
			{Group: "it", DisplayName: "IT <b>|", Action: provision.Create, Joins: []string{"taro"}},
			{Group: "old", DisplayName: "old\n+ evil", Action: provision.Delete},
		}}, {Reference: reference("ProvisioningTarget", "entra"), Unchanged: 2, Federation: &plan.Federation{
			Domain: "acme.example", State: "Federated", Message: "Microsoft sends everybody in acme.example here to log in.", ImmutableIDs: []string{"taro@acme.example"},
			Steps: []plan.FederationStep{{Step: "Create", Changes: []plan.Change{{Property: "issuerUri", To: "https://id.acme.example/saml/acme/acme.example"}}}},
		}}, {Reference: reference("ProvisioningTarget", "entra-2"), Federation: &plan.Federation{
			Domain: "beta.example", State: "Federated", Message: "As ever.", Risk: "1 account in beta.example cannot log in.",
			Steps: []plan.FederationStep{{Step: "Update", Changes: []plan.Change{{Property: "signingCertificate", From: "AA:BB", To: "CC:DD"}}}, {Step: "ClearNext", Changes: []plan.Change{{Property: "nextSigningCertificate", From: "CC:DD"}}}},
		}}, {Reference: reference("ProvisioningTarget", "entra-3"), Federation: &plan.Federation{
			Domain: "gamma.example", State: "Reverting", Message: "Reset the passwords.", Steps: []plan.FederationStep{{Step: "Delete"}},
		}}, {Reference: reference("ProvisioningTarget", "entra-4"), Federation: &plan.Federation{
			Domain: "delta.example", State: "Blocked", Message: "Verify it there.",
		}}},
		Remarks: []string{"b", "a", "a"}, Ignored: 2,
	}
	made.Sort()
	return made
}

func TestGolden(t *testing.T) {
	for name, write := range map[string]func(plan.Plan, *bytes.Buffer) error{
		"full.txt":  func(p plan.Plan, out *bytes.Buffer) error { return p.Text(out, 0) },
		"full.md":   func(p plan.Plan, out *bytes.Buffer) error { return p.Markdown(out, 0) },
		"full.json": func(p plan.Plan, out *bytes.Buffer) error { return p.JSON(out) },
		"cut.txt":   func(p plan.Plan, out *bytes.Buffer) error { return p.Text(out, 2) },
		"empty.txt": func(_ plan.Plan, out *bytes.Buffer) error { return plan.Plan{}.Text(out, 0) },
		"empty.md":  func(_ plan.Plan, out *bytes.Buffer) error { return plan.Plan{}.Markdown(out, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			out := &bytes.Buffer{}
			g.Expect(write(full(), out)).To(Succeed())
			golden := filepath.Join("testdata", name)
			if *update {
				g.Expect(os.WriteFile(golden, out.Bytes(), 0o600)).To(Succeed())
			}
			want, err := os.ReadFile(golden)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(out.String()).To(Equal(string(want)))
		})
	}
}

func TestEmpty(t *testing.T) {
	g := NewWithT(t)
	g.Expect(full().Empty()).To(BeFalse())
	g.Expect(plan.Plan{Problems: []plan.Problem{{Reason: "Conflict"}}, Targets: []plan.Target{{Unchanged: 3}}, Remarks: []string{"x"}}.Empty()).To(BeTrue())
	g.Expect(plan.Plan{Problems: []plan.Problem{{Reason: "Conflict", New: true}}}.Empty()).To(BeFalse())
	g.Expect(plan.Plan{Targets: []plan.Target{{Groups: []plan.Group{{}}}}}.Empty()).To(BeFalse())
	g.Expect(plan.Plan{Targets: []plan.Target{{Federation: &plan.Federation{}}}}.Empty()).To(BeFalse())
	g.Expect(full().Rejected()).To(Equal(1))
}

func TestDifferences(t *testing.T) {
	spec := func(value any) map[string]any { return map[string]any{"spec": value} }
	for name, test := range map[string]struct {
		before, after map[string]any
		want          []plan.Field
	}{
		"nothing":     {spec(map[string]any{"a": "x"}), spec(map[string]any{"a": "x"}), nil},
		"value":       {spec(map[string]any{"a": "x"}), spec(map[string]any{"a": "y"}), []plan.Field{{Path: "spec.a", From: "x", To: "y"}}},
		"number":      {spec(map[string]any{"a": int64(1)}), spec(map[string]any{}), []plan.Field{{Path: "spec.a", From: "1"}}},
		"deep":        {spec(nil), spec(map[string]any{"a": map[string]any{"b": true}}), []plan.Field{{Path: "spec.a.b", To: "true"}}},
		"list":        {spec(map[string]any{"l": []any{"a", "b"}}), spec(map[string]any{"l": []any{"b", "c"}}), []plan.Field{{Path: "spec.l[]", From: "a"}, {Path: "spec.l[]", To: "c"}}},
		"order":       {spec(map[string]any{"l": []any{"a", "b"}}), spec(map[string]any{"l": []any{"b", "a"}}), []plan.Field{{Path: "spec.l[]", From: "a, b", To: "b, a"}}},
		"twice":       {spec(map[string]any{"l": []any{"a"}}), spec(map[string]any{"l": []any{"a", "a"}}), []plan.Field{{Path: "spec.l[]", To: "a"}}},
		"annotations": {nil, map[string]any{"metadata": map[string]any{"annotations": map[string]any{"identity.tegata.dev/suspended": "true", "other": "x"}}}, []plan.Field{{Path: "metadata.annotations.identity.tegata.dev/suspended", To: "true"}}},
		"labels":      {map[string]any{"metadata": map[string]any{"labels": map[string]any{"team": "it"}}}, nil, []plan.Field{{Path: "metadata.labels.team", From: "it"}}},
		"status":      {map[string]any{"status": "x"}, map[string]any{"status": "y"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(plan.Differences(test.before, test.after)).To(Equal(test.want))
		})
	}
}

// TestDocumented: docs/plan.md shows what is really printed.
func TestDocumented(t *testing.T) {
	g := NewWithT(t)
	made := plan.Plan{
		Objects: []plan.Object{
			{Reference: reference("Member", "hanako"), Operation: plan.Create},
			{Reference: reference("Group", "sales"), Operation: plan.Update, Fields: []plan.Field{{Path: "spec.displayName", From: "営業部", To: "営業一部"}, {Path: "spec.members[]", To: `{"memberRef":{"name":"hanako"}}`}}},
			{Reference: reference("ProvisioningTarget", "entra"), Operation: plan.Update, Fields: []plan.Field{{Path: "spec.entraID.federation.samlAppRef.name", To: "microsoft-365"}}},
		},
		Effects: []plan.Effect{{Namespace: "acme", Member: "hanako", Gains: []string{"group sales (User)", "log-in"}}},
		Targets: []plan.Target{
			{Reference: reference("ProvisioningTarget", "chat"), Unchanged: 2, Accounts: []plan.Account{
				{Member: "hanako", UserName: "hanako@acme.example", Action: provision.Create, Changes: []plan.Change{{Property: "displayName", To: "佐藤 花子"}}},
			}, Groups: []plan.Group{
				{Group: "sales", DisplayName: "営業一部", Formerly: "営業部", Action: provision.Update, Joins: []string{"hanako"}},
			}},
			{Reference: reference("ProvisioningTarget", "entra"), Unchanged: 2, Accounts: []plan.Account{
				{Member: "hanako", UserName: "hanako@acme.example", Action: provision.Adopt, Changes: []plan.Change{{Property: "(correlation ID)", To: "(ID of the new member)"}}},
			}, Federation: &plan.Federation{
				Domain: "acme.example", State: "Federated", Message: "Microsoft sends everybody in acme.example here to log in.", ImmutableIDs: []string{"hanako@acme.example"},
				Steps: []plan.FederationStep{{Step: "Create", Changes: []plan.Change{
					{Property: "issuerUri", To: "https://id.acme.example/saml/acme/acme.example"}, {Property: "passiveSignInUri", To: "https://id.acme.example/saml/acme/sso"},
				}}},
			}},
		},
	}
	made.Sort()
	out := &bytes.Buffer{}
	g.Expect(made.Text(out, 0)).To(Succeed())
	document := filepath.Join("..", "..", "docs", "plan.md")
	body, err := os.ReadFile(document)
	g.Expect(err).NotTo(HaveOccurred())
	before, rest, found := strings.Cut(string(body), "```text\n")
	g.Expect(found).To(BeTrue())
	shown, after, found := strings.Cut(rest, "```\n")
	g.Expect(found).To(BeTrue())
	if *update {
		g.Expect(os.WriteFile(document, []byte(before+"```text\n"+out.String()+"```\n"+after), 0o600)).To(Succeed())
	}
	g.Expect(shown).To(Equal(out.String()))
}
