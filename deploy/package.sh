#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the Debian package of all programs that Package.swift has as products: what deploy/build.sh builds, units, man pages, completion. The same
# source, compiler and libraries give the same bytes: no time but SOURCE_DATE_EPOCH, no owner but root, no path of the machine that built it.
#
#   deploy/package.sh [--output DIR] [--revision N]     prints the package's path as its last line
#
#   --output DIR       where to put it; .build/package without a word
#   --revision N       the Debian revision, 1 without a word: VERSION-N
#   WARREN_BIN=DIR     takes the programs in DIR instead of building them
#   SOURCE_DATE_EPOCH  the time of everything in the package; without it that of the last commit
#   WARREN_MAINTAINER  who answers for the package
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export LC_ALL=C TZ=UTC
umask 022

fail() { printf 'package: %s\n' "$*" >&2; exit 1; }

output=.build/package
revision=1
while (($# > 0)); do
    case $1 in
        --output) (($# > 1)) || fail '--output needs a folder'; output=$2; shift 2 ;;
        --revision) [[ ${2:-} =~ ^[0-9A-Za-z.+~]+$ ]] || fail '--revision needs a number'; revision=$2; shift 2 ;;
        -h | --help) sed -n '/^# Makes/,/^set/s/^# \{0,1\}//p' "$0"; exit ;;
        *) fail "unknown argument '$1': see $0 --help" ;;
    esac
done

for tool in dpkg-deb dpkg-shlibdeps objcopy gzip; do
    command -v "$tool" >/dev/null || fail "no $tool: run deploy/install-dependencies.sh package"
done

version=$(sed -n 's/^## \([0-9][^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)
[[ -n $version ]] || fail 'CHANGELOG.md has no version'
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"
export SOURCE_DATE_EPOCH
architecture=$(dpkg --print-architecture)
maintainer=${WARREN_MAINTAINER:-"The Warren maintainers <maintainers@warren.invalid>"}

mapfile -t programs < <(sed -n 's/^ *\.executable(name: "\([^"]*\)".*/\1/p' Package.swift)
((${#programs[@]} > 0)) || fail 'Package.swift has no executable product'
built=${WARREN_BIN:-$(deploy/build.sh)}
for program in "${programs[@]}"; do
    [[ -x $built/$program ]] || fail "there is no $program in $built"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
install -d -m 0755 "$tree"

# put MODE PATH: standard input as a file of the package.
put() {
    install -D -m "$1" /dev/stdin "$tree/$2"
}

# What serves is for root alone and lies in sbin; the command line is for everybody.
is_daemon() { [[ -e deploy/systemd/$1.service ]]; }
place() { if is_daemon "$1"; then printf usr/sbin; else printf usr/bin; fi; }

# --- programs

shipped=()
for program in "${programs[@]}"; do
    target=$(place "$program")/$program
    install -D -m 0755 "$built/$program" "$tree/$target"
    # The link to a debug file stays with what was built; the build-id, which is kept, finds it too.
    objcopy --strip-unneeded --remove-section=.gnu_debuglink --remove-section=.comment "$tree/$target"
    if grep -qaF "$root/" "$tree/$target"; then
        fail "$program holds the path that it was built in: $(strings -a "$tree/$target" | grep -F "$root/" | head -n 1)"
    fi
    shipped+=("$target")
done

# --- units, configuration

for unit in deploy/systemd/*.service; do
    # Only of what is in the package.
    starts=$(sed -n 's|^ExecStart=[^ ]*/\([^/ ]*\).*|\1|p' "$unit")
    [[ " ${programs[*]} " == *" $starts "* ]] || continue
    # By hand the programs lie below /usr/local; a package's don't.
    sed 's|/usr/local/s\{0,1\}bin/|/usr/sbin/|g' "$unit" | put 0644 "usr/lib/systemd/system/$(basename "$unit")"
done
install -d -m 0755 "$tree/etc/warren/mesh"
install -d -m 0700 "$tree/etc/warren/ca"
put 0644 etc/warren/mesh/README <deploy/debian/mesh.README
put 0644 usr/share/doc/warren/examples/mesh.yaml <deploy/quickstart/mesh.yaml
put 0644 usr/share/doc/warren/examples/warrend.yaml <deploy/debian/warrend.yaml

# --- man pages, completion

# A program of ours that runs here: the host that makes the package can run what is in it.
warren=$tree/$(place warren)/warren
for program in "${programs[@]}"; do
    if is_daemon "$program"; then
        "$tree/$(place "$program")/$program" --help |
            deploy/debian/man.sh help "$program" 8 "$version" | gzip -9n | put 0644 "usr/share/man/man8/$program.8.gz"
    fi
done
"$warren" reference cli |
    deploy/debian/man.sh page warren 1 "$version" 'look into the mesh of a host, check it, prepare its files' | gzip -9n |
    put 0644 usr/share/man/man1/warren.1.gz
"$warren" reference configuration |
    deploy/debian/man.sh page warrend.yaml 5 "$version" 'configuration of warrend' | gzip -9n | put 0644 usr/share/man/man5/warrend.yaml.5.gz
if is_daemon warren-control && [[ " ${programs[*]} " == *' warren-control '* ]]; then
    "$warren" reference control |
        deploy/debian/man.sh page warren-control.yaml 5 "$version" 'configuration of warren-control' | gzip -9n |
        put 0644 usr/share/man/man5/warren-control.yaml.5.gz
fi
"$warren" completion bash | put 0644 usr/share/bash-completion/completions/warren
"$warren" completion zsh | put 0644 usr/share/zsh/vendor-completions/_warren
"$warren" completion fish | put 0644 usr/share/fish/vendor_completions.d/warren.fish

# --- documents

put 0644 usr/share/doc/warren/copyright <deploy/debian/copyright
gzip -9n <CHANGELOG.md | put 0644 usr/share/doc/warren/changelog.gz
printf 'warren (%s-%s) unstable; urgency=medium\n\n  * Version %s: changelog.gz says what changed.\n\n -- %s  %s\n' \
    "$version" "$revision" "$version" "$maintainer" "$(date -u -d "@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')" |
    gzip -9n | put 0644 usr/share/doc/warren/changelog.Debian.gz
put 0644 usr/share/lintian/overrides/warren <deploy/debian/lintian-overrides

# --- control

# Read by dpkg-shlibdeps where a source package would have it.
mkdir -p "$work/debian" "$tree/DEBIAN"
printf 'Source: warren\n\nPackage: warren\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "${shipped[@]/#/tree/}" 2>"$work/shlibdeps.log" | sed -n 's/^shlibs:Depends=//p') ||
    fail "dpkg-shlibdeps: $(<"$work/shlibdeps.log")"
[[ $depends == *libssl3* ]] || fail "dpkg-shlibdeps found no libssl3: $depends $(<"$work/shlibdeps.log")"

control() {
    sed -e "s|@VERSION@|$version-$revision|" -e "s|@ARCHITECTURE@|$architecture|" -e "s|@MAINTAINER@|$maintainer|" \
        -e "s|@DEPENDS@|$depends|" -e "s|@SIZE@|$(du -k -s --apparent-size --exclude=DEBIAN "$tree" | cut -f 1)|" deploy/debian/control
}
control >"$tree/DEBIAN/control"
(cd "$tree" && find etc -type f -printf '/%p\n' | sort) >"$tree/DEBIAN/conffiles"
for script in preinst postinst prerm postrm; do
    if [[ -e deploy/debian/$script ]]; then install -m 0755 "deploy/debian/$script" "$tree/DEBIAN/$script"; fi
done
(cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
chmod 0644 "$tree/DEBIAN/control" "$tree/DEBIAN/conffiles" "$tree/DEBIAN/md5sums"

find "$tree" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$output"
package=$(cd "$output" && pwd)/warren_$version-${revision}_$architecture.deb
# Levels and threads are said, so that the bytes depend on neither.
dpkg-deb --root-owner-group -Zxz -z6 --threads-max=1 --build "$tree" "$package.new" >/dev/null
mv "$package.new" "$package"
printf 'package: %s: %s KiB, sha256 %s\n' "$(basename "$package")" "$(($(stat -c %s "$package") / 1024))" \
    "$(sha256sum "$package" | cut -d ' ' -f 1)" >&2
printf '%s\n' "$package"
