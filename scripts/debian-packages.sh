# Programs of pinned packages of Debian in a folder of their own, for scripts that are run: `source` this. It needs no
# root and installs nothing: packages are taken from the mirror that this machine's apt uses, with apt's own check of
# signatures, and unpacked. Programs run with the libraries that lie beside them.

fail() {
  echo "$(basename "$0" .sh): $*" >&2
  exit 1
}

quietly() {
  "$@" >"$work/said" 2>&1 || {
    grep -v '^Get:' "$work/said" | tail -n 5 >&2
    return 1
  }
}

# Unpacks `packages` (lines of: name, version, SHA-256) of `suites` and what they depend on into "$work/root"; not what
# is named in `without`, nor what that depends on. These are arrays of who calls it.
unpack_packages() {
  local keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror suite package name version sha256 there wanted=()
  [ -r "$keys" ] || fail "there is no $keys (Debian's package debian-archive-keyring)"
  [ "$(dpkg --print-architecture)" = amd64 ] || fail "the checksums are those of amd64"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 'Component: main' | head -n 1)
  [ -n "$mirror" ] || fail "apt knows no mirror of Debian here: is it set up, and was apt-get update run?"

  # An apt of our own, which knows nothing of what is installed.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"/{lists,archives}/partial "$work/parts" "$work/root"
  for suite in "${suites[@]}"; do echo "deb [signed-by=$keys] $mirror $suite main"; done >"$work/sources.list"
  for name in "${without[@]}"; do
    printf '%s\n' "Package: $name" "Status: install ok installed" "Version: 9999" "Architecture: all" \
      "Maintainer: nobody" "Description: left out" ""
  done >"$work/status"
  cat >"$work/apt.conf" <<CONF
Dir::State "$work";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Cache::archives "$work/archives";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/parts";
APT::Sandbox::User "$(id -un)";
CONF
  export APT_CONFIG="$work/apt.conf"
  quietly apt-get update --error-on=any || fail "the lists of ${suites[*]} cannot be had from this machine's mirror"
  for package in "${packages[@]}"; do
    read -r name version sha256 <<<"$package"
    there=$(apt-cache madison "$name" | cut -d '|' -f 2 | xargs)
    [[ " $there " = *" $version "* ]] ||
      fail "$name $version cannot be had from ${suites[*]}, which have: ${there:-none}"
    wanted+=("$name=$version")
  done
  quietly apt-get install -y -d --no-install-recommends -t "${suites[-1]}" "${wanted[@]}" ||
    fail "what ${wanted[*]} depends on cannot be had from ${suites[*]}"
  for package in "${packages[@]}"; do
    read -r name version sha256 <<<"$package"
    echo "$sha256  $(ls "$work/archives/${name}"_*.deb)" | sha256sum --check --quiet ||
      fail "$name $version is not the one that this script names"
  done
  for package in "$work"/archives/*.deb; do dpkg-deb -x "$package" "$work/root"; done
  chmod 755 "$work/root"
}

# make_program NAME PATH [ARGUMENTS [BEFORE]]: makes FOLDER/NAME, which does BEFORE, and runs PATH of the packages with
# ARGUMENTS before its own. Both are shell, in which $here is FOLDER.
make_program() {
  cat >"$work/root/$1" <<RUN
#!/bin/sh
# The program with the libraries that lie beside it.
here=\$(dirname "\$(readlink -f "\$0")")
${4:+$4
}exec "\$here/usr/lib64/ld-linux-x86-64.so.2" --library-path "\$here/usr/lib/x86_64-linux-gnu" \\
  "\$here/$2" ${3:+$3 }"\$@"
RUN
  chmod +x "$work/root/$1"
}

# replace_path FILE FROM TO: FILE of the packages has a path compiled in, which becomes another one that is as long.
replace_path() {
  [ ${#2} = ${#3} ] || fail "$3 is not as long as $2"
  grep -qaF "$2" "$work/root/$1" || fail "$1 has no $2"
  LC_ALL=C sed -i "s|$2\\x00|$3\\x00|" "$work/root/$1"
}

# move_root FOLDER: what was unpacked and made goes where it was asked for.
move_root() {
  mkdir -p "$(dirname "$1")"
  mv "$work/root" "$1"
}
