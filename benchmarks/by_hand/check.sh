#!/usr/bin/env bash
# What `deployguard check` does, as AWS CLI calls, without lease and way back.
set -euo pipefail

name=$1 alias=live hold_ms=100 probes=5 settle_s=2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

lam() { aws lambda "$@" --function-name "$name" --output text; }
member() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }

probe() { # QUALIFIER NUMBER
  nonce=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
  echo '{"deployguard":{"canary":1,"nonce":"'"$nonce"'","hold_ms":'$hold_ms'}}' >"$work/in$2"
  served=$(lam invoke --qualifier "$1" --payload "fileb://$work/in$2" --query ExecutedVersion "$work/out$2")
  grep -q "$nonce" "$work/out$2" && grep -q "\"$build_id\"" "$work/out$2" && [ "$served" = "$version" ]
}

burst() { # QUALIFIER COUNT
  running=()
  for number in $(seq "$2"); do
    probe "$1" "$number" &
    running+=($!)
  done
  for each in "${running[@]}"; do wait "$each"; done
}

read -r sha revision image < <(lam get-function \
  --query '[Configuration.CodeSha256, Configuration.RevisionId, Code.ResolvedImageUri]')
read -r old alias_revision < <(lam get-alias --name $alias --query '[FunctionVersion, RevisionId]')
lam get-function --qualifier "$old" >"$work/old"
lam list-versions-by-function --query 'Versions[].Version' >"$work/versions"

repository=${image#*/} digest=${image#*@}
repository=${repository%@*}
config=$(aws ecr batch-get-image --repository-name "$repository" --image-ids imageDigest="$digest" \
  --query 'images[0].imageManifest' --output text | member "['config']['digest']")
url=$(aws ecr get-download-url-for-layer --repository-name "$repository" --layer-digest "$config" \
  --query downloadUrl --output text)
curl --silent --fail ${AWS_CA_BUNDLE:+--cacert "$AWS_CA_BUNDLE"} "$url" >"$work/config"
echo "${config#sha256:}  $work/config" | sha256sum --check --quiet
build_id=$(member "['config']['Labels']['dev.deployguard.build-id']" <"$work/config")

version=$(lam publish-version --code-sha256 "$sha" --revision-id "$revision" --query Version)
hold_ms=0 probe "$version" 0
lam update-alias --name $alias --function-version "$version" --revision-id "$alias_revision" \
  --routing-config 'AdditionalVersionWeights={}' >"$work/moved"
lam get-provisioned-concurrency-config --qualifier $alias >"$work/provisioned" 2>&1 || true

lam get-alias --name $alias >"$work/alias"
started=$(date +%s.%N)
burst $alias $probes
sleep "$(awk "BEGIN { left = $started + $settle_s - $(date +%s.%N); print (left > 0 ? left : 0) }")"
burst $alias 2
[ "$(lam get-alias --name $alias --query FunctionVersion)" = "$version" ]
