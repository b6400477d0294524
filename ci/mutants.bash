# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# What ci/mutants and ci/explore-mutants share: reading a mutant, and a copy of the tree to try it on.
# They set top, the tree; area, where they work; tree, the copy in it; log_of; applied, the patch that
# is in the copy, or nothing.
# shellcheck shell=bash disable=SC2154

die() {
    echo "ci/${0##*/}: $*" >&2
    exit 2
}

now() {
    local stamp=$EPOCHREALTIME
    echo $((${stamp/./} / 1000))
}

seconds() { # MILLISECONDS
    printf '%d.%01d' $(($1 / 1000)) $(($1 % 1000 / 100))
}

# The fields of a patch, one a line: KEY<tab>TEXT.
fields() {
    awk '
    /^(---|diff) / { exit }
    /^[A-Z][a-z]+:/ {
        if (key != "") { print key "\t" text }
        key = text = $0
        sub(/:.*/, "", key)
        sub(/^[A-Za-z]+:[ \t]*/, "", text)
        next
    }
    /^[ \t]+[^ \t]/ && key != "" { sub(/^[ \t]+/, " "); text = text $0 }
    END { if (key != "") { print key "\t" text } }' "$1"
}

files_of() { # ROOT
    (cd "$1" && find . \( -path ./build -o -path ./out -o -path ./.git \) -prune \
        -o \( -type f -o -type l \) -print | sort)
}

# Makes the copy equal to the tree, and touches only what differs, so that builds stay small.
copy_tree() {
    local file
    mkdir -p "$tree" "$log_of" "$area/tmp"
    while read -r file; do
        if ! cmp -s "$top/$file" "$tree/$file"; then
            mkdir -p "$tree/${file%/*}"
            cp -P --remove-destination "$top/$file" "$tree/$file"
        fi
    done < <(files_of "$top")
    while read -r file; do
        rm -f "${tree:?}/$file"
    done < <(comm -13 <(files_of "$top") <(files_of "$tree"))
}

patch_tree() { # [-R] FILE
    GIT_CEILING_DIRECTORIES=$area git -C "$tree" apply "$@"
}

revert() {
    if [[ -n $applied ]]; then
        patch_tree -R "$applied" || die "$applied cannot be taken back; remove $area"
        applied=
    fi
}
