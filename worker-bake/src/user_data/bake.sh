#!/bin/bash
# Bowline bake, format 1. This text is the same for every bake; values stand only in the next four
# lines, in base64.
BOWLINE_KEY='{key}'
BOWLINE_PACKAGES='{packages}'
BOWLINE_REPOSITORIES='{repositories}'
BOWLINE_UPGRADE='{upgrade}'

set -u -o pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

text() { printf '%s' "$1" | base64 -d; }

# Verdicts stand alone at the start of a line. All other output is put behind a bar, so that nothing
# a package prints can pass as one. Three times, because kernel messages may cut into a line.
verdict() {
    for _ in 1 2 3; do
        printf '\n%s\n' "$*" >/dev/console
        sleep 1
    done
}

sources=/etc/apt/sources.list.d/bowline-bake.list
policy=/usr/sbin/policy-rc.d

clean_up() {
    rm -f "$sources"
    if [ -e "$policy.bowline" ]; then rm -f "$policy" "$policy.bowline"; fi
}

# The machine stops at the end, whatever the end is: that is what the worker waits for.
finish() {
    verdict "$@"
    sync
    sleep 2
    shutdown -h now
    exit 0
}

fail() {
    clean_up
    finish "BOWLINE-BAKE-FAILED $*"
}

exec > >(sed -u 's/^/| /' >/dev/console) 2>&1

key="$(text "$BOWLINE_KEY")"
upgrade="$(text "$BOWLINE_UPGRADE")"
mapfile -t packages < <(text "$BOWLINE_PACKAGES")
mapfile -t repositories < <(text "$BOWLINE_REPOSITORIES")
echo "bowline: baking $key"

apt=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 -o Dpkg::Options::=--force-confold
    -o Dpkg::Options::=--force-confdef)

# Services of the packages must not run on the builder: their state would end in the image.
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    touch "$policy.bowline"
fi

if [ "${#repositories[@]}" -gt 0 ]; then
    printf '%s\n' "${repositories[@]}" >"$sources" || fail "internal: cannot write $sources"
fi
"${apt[@]}" -o APT::Update::Error-Mode=any update || fail "repository: the package lists could not be read"

if [ "$upgrade" = true ]; then
    "${apt[@]}" dist-upgrade || fail "upgrade: the operating system could not be upgraded"
fi

# A file name does not carry a version's epoch, so 1.0 also finds 1:1.0.
find_version() {
    apt-cache madison -- "$1" | awk -F'|' -v want="$2" '
        { gsub(/ /, "", $2); bare = $2; sub(/^[0-9]+:/, "", bare) }
        $2 == want { print $2; found = 1; exit }
        bare == want && near == "" { near = $2 }
        END { if (!found && near != "") print near }'
}

for package in "${packages[@]}"; do
    name="${package%%=*}"
    case "$package" in
    *=*)
        version="$(find_version "$name" "${package#*=}")"
        [ -n "$version" ] || fail "package-missing: $package"
        wanted="$name=$version"
        ;;
    *)
        apt-cache show -- "$name" >/dev/null || fail "package-missing: $package"
        wanted="$name"
        ;;
    esac
    echo "bowline: installing $wanted"
    "${apt[@]}" --allow-downgrades install -- "$wanted" || fail "install: $package"
    installed="$(dpkg-query -W -f='${Version}' -- "$name")" || fail "install: $package is not there after its installation"
    case "$wanted" in
    *=*) [ "$installed" = "${wanted#*=}" ] || fail "install: $name is $installed instead of ${wanted#*=}" ;;
    esac
done

# What would make every machine of this image the same one.
clean_up
apt-get clean
rm -rf /var/lib/apt/lists/*
if [ -e /etc/machine-id ]; then : >/etc/machine-id; fi
finish "BOWLINE-BAKE-OK $key"
