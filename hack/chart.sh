#!/usr/bin/env bash
# Copies into charts/tegata what config/ says: CRDs, roles, alerts and the dashboard. The templates read the copies,
# because a chart can hold no file from outside its folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

files=charts/tegata/files
rm -rf "$files"
mkdir -p "$files"/{crds,rbac,prometheus,grafana}
cp config/crd/bases/*.yaml "$files/crds/"
cp config/rbac/{role,leader-election,metrics,admin,editor,viewer}.yaml "$files/rbac/"
cp config/prometheus/{servicemonitors,rules}.yaml "$files/prometheus/"
cp config/grafana/tegata.json "$files/grafana/"
