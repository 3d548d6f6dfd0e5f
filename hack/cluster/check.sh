#!/usr/bin/env bash
# Proves hack/cluster and hack/image on this machine: brings the cluster up, runs the images in it under restricted pod security
# (volume, Service from the host, names and host from a pod), survives the API server, tears it down, and compares the machine
# before and after. It fails when a cluster is up already or no images are in bin/images.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=hack/lib.sh
. "$root/hack/lib.sh"
cluster="$root/hack/cluster/cluster.sh"
export KUBECONFIG="$root/.cluster/kubeconfig"

[[ ! -e "$root/.cluster" ]] || die "a cluster is there; run 'make cluster-down' first"
reference="$(cat "$root/bin/images/tegata-idp.reference" 2>/dev/null)" || die "no images; run 'make image' first"

work="$(mktemp -d "${TMPDIR:-/tmp}/tegata-check.XXXXXX")"
trap 'rm -rf "$work"' EXIT

# machine prints what a cluster could leave behind.
machine() {
	echo "interfaces"; ip -o link show | awk -F': ' '{print $2}'
	echo "addresses"; ip -o address show | awk '{print $2, $4}'
	echo "routes"; ip route show
	echo "packet filter"; { iptables-save; ip6tables-save; } | sed -E '/^#/d; s/\[[0-9:]+\]//'
	echo "mounts"; awk '{print $5}' /proc/self/mountinfo | sort
	echo "cgroups"; find /sys/fs/cgroup -type d \( -name k8s.io -o -name 'kube*' -o -name 'cri-*' \) | sort
	echo "processes"; { pgrep -fa '/run/tegata|\.cluster|containerd-shim|/coredns|/pause' || true; } | sed 's/^[0-9]* //' | sort
	echo "directories"; ls -d /run/containerd /run/tegata /run/netns /var/lib/cni /var/lib/kubelet /var/log/pods /var/log/containers \
		/etc/cni/net.d /opt/cni /opt/containerd /usr/libexec/kubernetes /etc/kubernetes 2>/dev/null || true
	echo "settings"; sysctl -n vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops net.ipv4.ip_forward
}

kubectl() { "$root/.cluster/bin/kubectl" --request-timeout=30s "$@"; }

# expect WHAT PATTERN COMMAND...: the output must match.
expect() {
	local what="$1" pattern="$2" out
	shift 2
	out="$("$@" 2>&1)" || die "$what: $out"
	[[ "$out" =~ $pattern ]] || die "$what: got $out"
	say "  $what"
}

machine >"$work/before"
"$cluster" up >"$work/up"
trap '"$cluster" down; rm -rf "$work"' EXIT
expect "a second start says that it is up" "is up already" "$cluster" up
"$cluster" load
(
	cd "$root/hack/cluster"
	GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$work/probe" ./probe
	GOWORK=off go -C ../image run . build --name probe --version check --directory "$work" "$(go env GOARCH)=$work/probe" >/dev/null
)
"$cluster" load "$work/probe.tar"
kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Namespace
metadata: {name: check, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: check}
stringData: {key: 0123456789abcdef0123456789abcdef}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: check}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: idp, namespace: check}
spec: {selector: {app: idp}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: idp, namespace: check, labels: {app: idp}}
spec:
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: idp
    image: $reference
    imagePullPolicy: Never
    args: [--external-url=http://localhost, --sqlite=/data/tegata.db, --key-file=/key/key]
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: data, mountPath: /data}, {name: key, mountPath: /key}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - {name: key, secret: {secretName: key}}
---
apiVersion: v1
kind: Pod
metadata: {name: version, namespace: check}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: idp
    image: $reference
    imagePullPolicy: Never
    args: [--version]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
YAML
kubectl -n check wait --for=jsonpath='{.status.phase}'=Succeeded pod/version --timeout=60s >/dev/null
expect "tegata-idp --version ran under restricted pod security" "^tegata-idp ${reference##*:}" kubectl -n check logs version
kubectl -n check wait --for=condition=Ready pod/idp --timeout=60s >/dev/null || die "tegata-idp did not get ready: $(kubectl -n check logs idp)"
expect "a claim is bound and written to by a program that is not root" "Bound" kubectl -n check get pvc data
address="$(kubectl -n check get service idp -o jsonpath='{.spec.clusterIP}')"
expect "the Service answers this machine" "HTTP/1.1 [2-4]" curl -sS -i --max-time 10 --noproxy '*' "http://$address/"

# A listener on this machine stands for a database on it.
"$work/probe" listen 10.250.0.1:0 >"$work/listener" 2>&1 &
listener=$!
until port="$(grep -oE 'port [0-9]+' "$work/listener" | head -1 | cut -d' ' -f2)" && [[ -n "$port" ]]; do
	kill -0 "$listener" 2>/dev/null || die "no listener: $(cat "$work/listener")"
	sleep 0.1
done
kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: check}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: probe
    image: localhost/probe:check
    imagePullPolicy: Never
    args: ["idp:80", "idp.check.svc.cluster.local:80", "kubernetes.default:443", "host.internal:$port", "10.250.0.1:$port"]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
YAML
kubectl -n check wait --for=jsonpath='{.status.phase}'=Succeeded pod/probe --timeout=60s >/dev/null || die "probe: $(kubectl -n check logs probe)"
expect "a pod resolves names and reaches Services, the API server and this machine" "host.internal:$port is 10.250.0.1:$port" kubectl -n check logs probe
kill "$listener"

"$cluster" stop kube-apiserver
if kubectl version >/dev/null 2>&1; then die "kube-apiserver answers although it is stopped"; fi
expect "the Service answers while the API server is down" "HTTP/1.1 [2-4]" curl -sS -i --max-time 10 --noproxy '*' "http://$address/"
"$cluster" start kube-apiserver
until kubectl get --raw /readyz >/dev/null 2>&1; do sleep 0.5; done
say "  the API server came back"
kubectl -n check delete pod idp --wait --timeout=60s >/dev/null
kubectl -n check delete pvc data --wait --timeout=60s >/dev/null
until [[ -z "$(ls -A "$root/.cluster/volumes")" ]]; do sleep 0.5; done
say "  a deleted claim's directory is gone"

trap 'rm -rf "$work"' EXIT
"$cluster" down
machine >"$work/after"
diff "$work/before" "$work/after" >&2 || die "the cluster left something behind"
say "  nothing is left behind"
