/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/fetch"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/samlmetadata"
	"tegata.dev/tegata/internal/status"
)

const (
	defaultRefreshInterval = 24 * time.Hour
	// shortestRefresh bounds what a document's own cacheDuration can ask for.
	shortestRefresh = time.Minute
)

// described is a service provider as its metadata tells.
type described struct {
	// provider is nil where there is no document that can be used.
	provider *samlmetadata.ServiceProvider
	digest   string
	// fetchedAt is zero for a document that was not fetched.
	fetchedAt time.Time
	// current is the condition MetadataCurrent.
	current metav1.Condition
}

// describe finds what the app's metadata says. Without a document the report
// says why, and what was published before stays in use.
func (k *samlApps) describe(ctx context.Context, app *v1alpha1.SAMLApp, in *scope, report *status.Report) described {
	source := app.Spec.Metadata
	var keys []crypto.PublicKey
	if source.TrustedCertificate != "" {
		certificate, err := keypair.ParsePeerCertificate([]byte(source.TrustedCertificate))
		if err != nil {
			return unusable(report, mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, fmt.Sprintf("metadata.trustedCertificate: %v.", err)))
		}
		keys = append(keys, certificate.PublicKey)
	}
	if source.URL != "" {
		return k.fetched(ctx, app, in, keys, report)
	}
	k.fetches.forget(client.ObjectKeyFromObject(app))
	if source.ConfigMapRef == nil {
		return k.given(app, []byte(source.Inline), keys, report, v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, "metadata.inline")
	}
	document, ok := readConfigMapKey(ctx, k.uncached, app.Namespace, *source.ConfigMapRef, "spec.metadata.configMapRef", report)
	if !ok {
		return described{}
	}
	return k.given(app, document, keys, report, v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
		fmt.Sprintf("ConfigMap %q, key %q", source.ConfigMapRef.Name, source.ConfigMapRef.Key))
}

// unusable reports why there is no document.
func unusable(report *status.Report, outcome status.Outcome) described {
	report.Add(outcome)
	return described{current: metav1.Condition{Status: metav1.ConditionFalse, Reason: outcome.Reason, Message: outcome.Message}}
}

// readConfigMapKey reads text or octets from a ConfigMap; false where they are
// missing, which the report then says.
func readConfigMapKey(ctx context.Context, reader client.Reader, namespace string, ref v1alpha1.ConfigMapKeyReference, field string, report *status.Report) ([]byte, bool) {
	configMap := &corev1.ConfigMap{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, configMap)
	switch {
	case apierrors.IsNotFound(err):
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
			fmt.Sprintf("ConfigMap %q does not exist in this namespace; create it or correct %s.", ref.Name, field)))
		return nil, false
	case err != nil:
		report.Add(readFailed("A ConfigMap", err))
		return nil, false
	}
	if text, found := configMap.Data[ref.Key]; found {
		return []byte(text), true
	}
	if octets, found := configMap.BinaryData[ref.Key]; found {
		return octets, true
	}
	report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
		fmt.Sprintf("ConfigMap %q has no key %q; add it or correct %s.", ref.Name, ref.Key, field)))
	return nil, false
}

// given reads a document that somebody declared. One that expires while it is
// in use stays in use.
func (k *samlApps) given(app *v1alpha1.SAMLApp, document []byte, keys []crypto.PublicKey, report *status.Report, condition, reason, place string) described {
	options, digest := samlmetadata.Options{TrustedKeys: keys}, digestOf(document)
	if metadataInUse(app).Digest != digest {
		options.Now = k.clock()
	}
	provider, err := samlmetadata.Parse(document, options)
	if err != nil {
		return unusable(report, mustAct(condition, reason, fmt.Sprintf("%s: %v.", place, err)))
	}
	if left := provider.ValidUntil.Sub(k.clock()); left > 0 {
		report.RequeueAfter(left)
	}
	return described{provider: provider, digest: digest, current: k.currency(provider, "")}
}

// metadataInUse is what status says of the document in use.
func metadataInUse(app *v1alpha1.SAMLApp) v1alpha1.MetadataStatus {
	if provider := app.Status.ServiceProvider; provider != nil && provider.Metadata != nil {
		return *provider.Metadata
	}
	return v1alpha1.MetadataStatus{}
}

// currency tells whether a document in use is current; failure is why it could
// not be refreshed.
func (k *samlApps) currency(provider *samlmetadata.ServiceProvider, failure string) metav1.Condition {
	switch {
	case provider.Expired(k.clock()):
		return metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.MetadataExpiredReason, Message: fmt.Sprintf(
			"The service provider's metadata expired at %s (validUntil) and stays in use; ask the service provider for current metadata.", provider.ValidUntil.Format(time.RFC3339))}
	case failure != "":
		return metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.FetchFailedReason, Message: fmt.Sprintf(
			"The metadata could not be refreshed: %s. The last good document stays in use.", failure)}
	}
	return metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.MetadataCurrentReason, Message: "The service provider's metadata in use is current."}
}

// fetched uses the last good document that came from the URL, and sees to it
// that it is fetched again in time.
func (k *samlApps) fetched(ctx context.Context, app *v1alpha1.SAMLApp, in *scope, keys []crypto.PublicKey, report *status.Report) described {
	allowed, err := k.allowedNetworks(ctx, in)
	if err != nil {
		return unusable(report, readFailed("The IdentityServer", err))
	}
	name, url := client.ObjectKeyFromObject(app), app.Spec.Metadata.URL
	source := fmt.Sprint(url, "\n", allowed, "\n", app.Spec.Metadata.TrustedCertificate)
	known := k.fetches.accepted(name, source)
	if known.digest == "" {
		known = acceptance{digest: metadataInUse(app).Digest, at: metadataInUse(app).FetchedAt.Time}
	}
	cached, err := k.readCache(ctx, app)
	if err != nil {
		return unusable(report, readFailed("The ConfigMap with the metadata", err))
	}
	use := described{fetchedAt: known.at, digest: known.digest}
	if cached != nil && cached.url == url && digestOf(cached.body) == known.digest {
		// A document that the spec's certificate does not prove is as good as none.
		use.provider, _ = samlmetadata.Parse(cached.body, samlmetadata.Options{TrustedKeys: keys})
	}
	if use.provider == nil {
		use, cached = described{}, nil
	}
	interval := refreshInterval(app, use)
	if use.provider != nil && k.clock().Before(use.fetchedAt.Add(interval)) {
		return k.refreshed(use, fetchState{}, interval, report)
	}
	state := k.fetches.get(name, source, interval, k.fetchJob(app, allowed, keys, cached, use))
	if state.fetched == nil {
		return k.refreshed(use, state, interval, report)
	}
	if state.fetched.unchanged && use.provider == nil {
		// What it compared with was deleted meanwhile.
		k.fetches.take(name, acceptance{})
		return k.refreshed(use, fetchState{}, 0, report)
	}
	if use, err = k.keep(ctx, app, keys, use, *state.fetched); err != nil {
		return unusable(report, notKept(app, err))
	}
	k.fetches.take(name, acceptance{use.digest, use.fetchedAt})
	return k.refreshed(use, fetchState{}, refreshInterval(app, use), report)
}

// refreshed tells how the document in use is, and asks for the next look.
func (k *samlApps) refreshed(use described, state fetchState, interval time.Duration, report *status.Report) described {
	now, next := k.clock(), use.fetchedAt.Add(interval)
	if state.failure != "" {
		next = state.retryAt
	}
	if !state.running {
		report.RequeueAfter(max(next.Sub(now), firstRetry))
	}
	switch {
	case use.provider != nil:
		if left := use.provider.ValidUntil.Sub(now); left > 0 {
			report.RequeueAfter(left)
		}
		use.current = k.currency(use.provider, state.failure)
		return use
	case state.failure != "":
		return unusable(report, status.Outcome{Condition: v1alpha1.ResolvedRefsCondition, Verdict: status.Retries, Reason: v1alpha1.FetchFailedReason,
			Message: fmt.Sprintf("There is no metadata of the service provider yet: %s.", state.failure)})
	}
	return unusable(report, status.Outcome{Condition: v1alpha1.ResolvedRefsCondition, Verdict: status.Waits, Reason: v1alpha1.FetchingReason,
		Message: "The metadata of the service provider is being fetched."})
}

// keep makes what was fetched the document in use.
func (k *samlApps) keep(ctx context.Context, app *v1alpha1.SAMLApp, keys []crypto.PublicKey, use described, fetched fetchedDocument) (described, error) {
	if fetched.unchanged {
		use.fetchedAt = fetched.at
		return use, nil
	}
	provider, err := samlmetadata.Parse(fetched.body, samlmetadata.Options{TrustedKeys: keys})
	if err != nil {
		return described{}, err
	}
	if err := k.writeCache(ctx, app, cachedMetadata{app.Spec.Metadata.URL, fetched.body, fetched.validators}); err != nil {
		return described{}, err
	}
	return described{provider: provider, digest: digestOf(fetched.body), fetchedAt: fetched.at}, nil
}

func notKept(app *v1alpha1.SAMLApp, err error) status.Outcome {
	if errors.Is(err, errForeignConfigMap) {
		return mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ConflictReason, fmt.Sprintf(
			"ConfigMap %q, which fetched metadata is kept in, exists and does not belong to this SAMLApp; delete it.", metadataCacheName(app)))
	}
	return unavailable(v1alpha1.UnavailableReason, "The fetched metadata could not be kept; it is tried again.", err)
}

// fetchJob fetches what the spec names and checks that it can take the place of
// the document in use.
func (k *samlApps) fetchJob(app *v1alpha1.SAMLApp, allowed []netip.Prefix, keys []crypto.PublicKey, cached *cachedMetadata, use described) fetchJob {
	client, url, cache := fetch.New(fetch.Options{Allowed: allowed, MaxBytes: samlmetadata.MaxBytes}), app.Spec.Metadata.URL, metadataCacheName(app)
	var validators fetch.Validators
	if cached != nil {
		validators = cached.validators
	}
	return func(ctx context.Context) (*fetchedDocument, error) {
		result, err := client.Get(ctx, url, validators)
		if err != nil {
			return nil, err
		}
		if result.NotModified {
			return &fetchedDocument{unchanged: true}, nil
		}
		provider, err := samlmetadata.Parse(result.Body, samlmetadata.Options{TrustedKeys: keys, Now: k.clock()})
		if err != nil {
			return nil, err
		}
		// Whoever gets hold of the address must not turn the app into another one.
		if use.provider != nil && provider.EntityID != use.provider.EntityID {
			return nil, fmt.Errorf("the address now gives the metadata of another entity ID; ask the service provider, and if that is meant delete ConfigMap %q", cache)
		}
		return &fetchedDocument{body: result.Body, validators: result.Validators}, nil
	}
}

// allowedNetworks are those that the tenant's IdentityServer allows, where it
// admits the tenant at all.
func (k *samlApps) allowedNetworks(ctx context.Context, in *scope) ([]netip.Prefix, error) {
	server := &v1alpha1.IdentityServer{}
	if err := k.Get(ctx, serverName(in.resource), server); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if server.Spec.MetadataSources == nil {
		return nil, nil
	}
	admitted, err := k.admits(ctx, server, in.resource.Namespace)
	if err != nil || !admitted {
		return nil, err
	}
	return networks(server.Spec.MetadataSources.AllowedNetworks), nil
}

// networks are those that a spec names.
func networks(declared []v1alpha1.CIDR) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range declared {
		// The schema lets nothing else through.
		if network, err := netip.ParsePrefix(string(text)); err == nil {
			all = append(all, network.Masked())
		}
	}
	return all
}

// refreshInterval is how long a document is used before it is fetched again: as
// the spec says, or less where the document does, so that it is replaced before
// it expires. A tenth more or less spreads the apps.
func refreshInterval(app *v1alpha1.SAMLApp, use described) time.Duration {
	interval := defaultRefreshInterval
	if declared, err := time.ParseDuration(string(app.Spec.Metadata.RefreshInterval)); err == nil {
		interval = declared
	}
	if use.provider == nil {
		return interval
	}
	if duration := use.provider.CacheDuration; duration > 0 {
		interval = min(interval, duration)
	}
	if left := use.provider.ValidUntil.Sub(use.fetchedAt); left > 0 {
		interval = min(interval, left*3/4)
	}
	interval = max(interval, shortestRefresh)
	// By the document's time, so that it is the same at every look.
	hash := fnv.New32a()
	_, _ = fmt.Fprint(hash, app.UID, use.fetchedAt.Unix()) // a hash never fails
	return interval*9/10 + time.Duration(float64(interval)/5*float64(hash.Sum32())/(1<<32))
}
