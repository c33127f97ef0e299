#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes a manual page out of what a program says about itself, so that the page can't say something else.
#
#   PROGRAM --help | man.sh help NAME SECTION VERSION               the help as it stands, its first line as the description
#   warren reference … | man.sh page NAME SECTION VERSION WHAT      Markdown as our reference has it: headings, paragraphs, tables, code
set -euo pipefail
export LC_ALL=C
[[ $# -ge 4 && $1 =~ ^(help|page)$ ]] || { printf 'usage: %s help|page NAME SECTION VERSION [WHAT]\n' "$0" >&2; exit 64; }

exec awk -v kind="$1" -v name="$2" -v section="$3" -v version="$4" -v what="${5:-}" '
function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    # The few characters beyond ASCII that our documents have.
    gsub(/…/, "...", text)
    gsub(/→/, "\\(->", text)
    if (text ~ /^[.\x27]/) text = "\\&" text
    return text
}
# Inline Markdown: code and bold become bold, links their text, emphasis italic.
function inline(text,   out, at, rest) {
    gsub(/\[warrend\]\([^)]*\)/, "warrend", text)
    while (match(text, /\[[^]]*\]\([^)]*\)/)) {
        rest = substr(text, RSTART, RLENGTH)
        sub(/^\[/, "", rest)
        sub(/\]\(.*$/, "", rest)
        text = substr(text, 1, RSTART - 1) rest substr(text, RSTART + RLENGTH)
    }
    gsub(/\\\|/, "|", text)
    out = ""
    while (match(text, /`[^`]*`|\*\*[^*]+\*\*|\*[^*]+\*/)) {
        rest = substr(text, RSTART, RLENGTH)
        out = out escaped(substr(text, 1, RSTART - 1))
        if (rest ~ /^`/) { gsub(/`/, "", rest); out = out "\\fB" escaped(rest) "\\fR" }
        else if (rest ~ /^\*\*/) { gsub(/\*\*/, "", rest); out = out "\\fB" escaped(rest) "\\fR" }
        else { gsub(/\*/, "", rest); out = out "\\fI" escaped(rest) "\\fR" }
        text = substr(text, RSTART + RLENGTH)
    }
    out = out escaped(text)
    if (out ~ /^[.\x27]/) out = "\\&" out
    return out
}
function header(description) {
    printf ".\\\" Made by deploy/debian/man.sh of what the program says about itself.\n"
    printf ".TH \"%s\" \"%s\" \"\" \"Warren %s\" \"Warren\"\n.SH NAME\n%s \\- %s\n", toupper(name), section, version, name, escaped(description)
}
# A row of a table: the first cell is the term, cells between are qualified by the heading of their column, the last is the text.
function row(line,   cells, count, i, between) {
    gsub(/\\\|/, "\x01", line)
    sub(/^\| */, "", line)
    sub(/ *\|$/, "", line)
    count = split(line, cells, / +\| +/)
    for (i = 1; i <= count; i++) gsub(/\x01/, "|", cells[i])
    if (titles == 0) {
        titles = count
        for (i = 1; i <= count; i++) title[i] = cells[i]
        return
    }
    printf ".TP\n%s\n", cells[1] == "" ? "\\&" : inline(cells[1])
    between = ""
    for (i = 2; i < count; i++) between = between (between == "" ? "" : "; ") title[i] ": " cells[i]
    if (between != "") printf "%s\n.br\n", inline(between)
    print inline(cells[count])
}
kind == "help" && NR == 1 {
    description = $0
    sub(/^[^:]*: /, "", description)
    sub(/\. .*$/, "", description)
    sub(/\.$/, "", description)
    header(description)
    printf ".SH DESCRIPTION\n.nf\n"
    next
}
kind == "help" { print escaped($0); next }
NR == 1 { header(what); printf ".SH DESCRIPTION\n"; next }
/^```/ {
    if (code) printf ".fi\n.RE\n"; else printf ".PP\n.RS 4\n.nf\n"
    code = !code
    next
}
code { print $0 == "" ? "\\&" : escaped($0); next }
/^\|[-| :]*$/ && titles > 0 { next }
/^\|/ { row($0); table = 1; next }
{ if (table) { table = 0; titles = 0; gap = 1 } }
/^#/ {
    sub(/^#+ */, "")
    printf ".SH \"%s\"\n", escaped(toupper($0))
    gap = 0
    next
}
/^$/ { gap = 1; next }
{
    if (gap) print ".PP"
    gap = 0
    print inline($0)
}
END { if (kind == "help") print ".fi" }
'
