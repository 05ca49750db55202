#!/bin/bash
# Installs the Debian packages listed in the file $1 that are missing. Needs root only when something is missing.
# Starts no service: the lab runs its own daemons in its own namespaces.
set -euo pipefail
wanted=$(sed 's/#.*//' "$1" | xargs)
missing=()
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "Debian packages are missing. Run:  sudo apt-get install -y ${missing[*]}" >&2
    exit 2
fi
echo "Installing Debian packages: ${missing[*]} ..."
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
