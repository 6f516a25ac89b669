#!/bin/sh
#@ABOUT@
# Run it with bash or sh; it needs curl. --help tells the rest. Stopped at any moment and run again, it goes on
# where it stopped. It holds no password and no token. The list of files at its end is plain text in comments.

{ # the shell reads all of this before it does any of it: half a script does nothing
{ set +x; } 2>/dev/null # a trace would show the token
set -u
unset CDPATH
LC_ALL=C IFS='
 	'
export LC_ALL

usage() {
    cat <<'HELP'
Downloads files into DIR/MAST_<stamp>/<MISSION>/<observation>/<file>, checks each one, and says what is missing.

  --dest DIR         where the folder MAST_<stamp> is made (default: here)
  -j N, --jobs N     files at the same time, 1 to 64 (default 4)
  --only PATTERN     only files whose path or name matches, such as '*_i2d.fits'; may be repeated
  --verify           read the files that are here already, and fetch anew those with another SHA-256
  --dry-run          say what would be fetched; send and write nothing
  --continue, --new  where the folder is there already: go on in it (default), or make another
  --token-file FILE  read the MAST API token from FILE, which only you may read (chmod 600)
  --tries N          attempts for each file (default 5)
  --timeout SECONDS  a connection on which nothing came for so long is broken (default 60)
  --quiet            no progress
  --help             this

Exclusive access files need a token: in the variable MAST_API_TOKEN, in a file (--token-file, or its name in
MAST_API_TOKEN_FILE), or typed in when asked. It is sent to the archive only.

Exit status: 0 all delivered; 1 something is missing; 2 could not start; 130, 143 stopped.
HELP
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
    warn "$ME: $*"
    leave_no_trace
    exit 2
}
leave_no_trace() { # of a run that did not begin
    [ -n "$OURS" ] || return 0
    rm -rf -- "$S"
    [ -n "$DRY" ] || { rmdir "$P" && cd .. && rmdir -- "$HERE"; } 2>/dev/null
}
has() { command -v "$1" >/dev/null 2>&1; }

# The list writes each byte that is not plainly printable, and each space, as \0ooo.
decode() {
    case $1 in
        *\\*) TEXT=$(printf '%b.' "$1") && TEXT=${TEXT%.} ;;
        *) TEXT=$1 ;;
    esac
}
shown() { # the same for a terminal: what moves, hides or commands stays escaped
    case $1 in
        *\\00[0-3]* | *\\0177* | *\\0[23]*) TEXT=$1 ;;
        *) decode "$1" ;;
    esac
}

# --- What was asked for -----------------------------------------------------------------------------------------

is_count() { # $1 a whole number from $2 to $3
    case $1 in '' | *[!0-9]* | ??????*) return 1 ;; esac
    [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

read_options() {
    DEST=. JOBS=4 ONLY='' VERIFY='' DRY='' FOLDER_CHOICE='' TOKEN_FILE=${MAST_API_TOKEN_FILE-} TRIES=5 STALL=60
    QUIET='' DELAY=${MAST_RETRY_DELAY-1}
    while [ $# -gt 0 ]; do
        option=$1
        shift
        case $option in
            --*=*) set -- "${option#*=}" "$@" && option=${option%%=*} && given=1 ;;
            -j?*) set -- "${option#-j}" "$@" && option=-j && given=1 ;;
            *) given='' ;;
        esac
        case $option in
            --dest | -j | --jobs | --only | --token-file | --tries | --timeout)
                [ $# -gt 0 ] || die "$option needs a value. See --help."
                value=$1
                shift
                ;;
            *) [ -z "$given" ] || die "$option takes no value. See --help." ;;
        esac
        case $option in
            --dest) DEST=$value ;;
            -j | --jobs) JOBS=$value ;;
            --only) ONLY="$ONLY$value$NEWLINE" ;;
            --token-file) TOKEN_FILE=$value ;;
            --tries) TRIES=$value ;;
            --timeout) STALL=$value ;;
            --verify) VERIFY=1 ;;
            --dry-run) DRY=1 ;;
            --new | --continue) FOLDER_CHOICE=${option#--} ;;
            --quiet) QUIET=1 ;;
            -h | --help) usage && exit 0 ;;
            *) die "$option is not an option of this script. See --help." ;;
        esac
    done
    is_count "$JOBS" 1 64 || die "-j $JOBS: give a number from 1 to 64."
    is_count "$TRIES" 1 100 || die "--tries $TRIES: give a number from 1 to 100."
    is_count "$STALL" 1 86400 || die "--timeout $STALL: give a whole number of seconds, 1 to 86400."
    is_count "$DELAY" 0 3600 || die "MAST_RETRY_DELAY=$DELAY: give a whole number of seconds, 0 to 3600."
    [ -n "$DEST" ] || die "--dest needs the name of a folder."
    case $TOKEN_FILE in '' | /*) ;; *) TOKEN_FILE=$PWD/$TOKEN_FILE ;; esac
}

read_header() {
    ORIGINS=' ' TOKEN_CHECK='' USER_NAME='' PACK='' TOKEN_PAGE='' NAME='' DUPLICATES=0 FILES=0
    while IFS=' ' read -r key value; do
        decode "$value"
        case $key in
            name) NAME=$TEXT NAME_CODED=$value ;;
            source) SOURCE=$TEXT ;;
            origin) ORIGINS="$ORIGINS$TEXT " ;;
            token_check) TOKEN_CHECK=$TEXT ;;
            token_page) TOKEN_PAGE=$TEXT ;;
            user) USER_NAME=$value ;;
            pack) PACK=$TEXT ;;
            files) FILES=$TEXT ;;
            duplicates) DUPLICATES=$TEXT ;;
        esac
    done <<HEADER
$(awk 'list && $1 != "#H" { exit } list { print $2, $3 } $0 == "#LIST" { list = 1 }' "$SELF")
HEADER
    [ -n "$NAME" ] || die "the list at the end of this script is missing. Save the script to a file and run that."
}

check_tools() {
    for tool in awk curl cut date df dd head ls mkdir mktemp mv paste ps rm sed sort tr uname wc; do
        has "$tool" || die "this script needs $tool, which is not installed here."
    done
    CURL_VERSION=$(curl -q --version | awk 'NR == 1 { split($2, v, "."); print v[1] * 1000 + v[2] }')
    [ "${CURL_VERSION:-0}" -ge 7058 ] || die "this script needs curl 7.58 or newer."
    EXIT_CODE='-'
    [ "$CURL_VERSION" -lt 7075 ] || EXIT_CODE='%{exitcode}'
    if has sha256sum; then SHA=sha256sum; elif has shasum; then SHA=shasum; elif has openssl; then SHA=openssl; else
        SHA=''
        warn "No program for SHA-256 is here (sha256sum, shasum, openssl): only sizes will be checked."
    fi
    has tar || PACK=''
}

sha256_of() { # of each file a line: digest, name
    case $SHA in
        sha256sum) sha256sum -- "$@" 2>/dev/null ;;
        shasum) shasum -a 256 -- "$@" 2>/dev/null ;;
        openssl) openssl dgst -r -sha256 "$@" 2>/dev/null ;;
    esac | sed 's/^\\//; s/ [ *]/ /'
}

# --- The folder ---------------------------------------------------------------------------------------------------

choose_folder() {
    case $DEST in /* | ./* | ../* | . | ..) ;; *) DEST=./$DEST ;; esac
    FOLDER=$DEST/$NAME
    [ -d "$FOLDER" ] || return 0
    if [ -z "$FOLDER_CHOICE" ] && [ -z "$DRY" ] && [ -t 0 ] && [ -t 2 ]; then
        printf '%s is here already. (C)ontinue in it, or make a (N)ew one? [C] ' "$FOLDER" >&2
        IFS= read -r answer || answer=''
        case $answer in [nN]*) FOLDER_CHOICE=new ;; esac
    fi
    [ "$FOLDER_CHOICE" = new ] || return 0
    number=1
    while [ -e "$FOLDER-$number" ]; do number=$((number + 1)); done
    FOLDER=$FOLDER-$number
}

# From here on all names are relative to the folder: "$P" holds unfinished files, "$S" what only this run needs.
enter_folder() {
    if [ -n "$DRY" ]; then
        S=$(mktemp -d) || die "there is no room for notes in ${TMPDIR:-/tmp}."
        P=$S OURS=1
        [ -d "$FOLDER" ] || { NOTHING_HERE=1 && return; }
        cd "$FOLDER" || die "the folder $FOLDER cannot be opened."
        return
    fi
    mkdir -p -- "$FOLDER" 2>/dev/null || die "the folder $FOLDER cannot be made: check its name, your rights, the disk."
    cd "$FOLDER" || die "the folder $FOLDER cannot be opened."
    P=.parts S=.parts/run
    mkdir -p $P 2>/dev/null || die "nothing can be written to $PWD."
    TAG=run-$MAIN-$(date +%s)
    [ ! -d $S ] || take_over
    if ! mkdir $S 2>/dev/null; then
        [ ! -d $S ] || die "another run has just begun in $PWD. Wait for it, or stop it."
        die "nothing can be written to $PWD: check your rights and the disk."
    fi
    OURS=1 HERE=$PWD
    (say "$TAG $MAIN $(uname -n)" >$S/owner) 2>/dev/null || die "nothing can be written to $PWD: is the disk full?"
    [ "$(ls -A)" != .parts ] || NOTHING_HERE=1
}

# From a run that was killed. It may have left its curls behind, and they go on writing.
take_over() {
    [ -s $S/owner ] || sleep 1 # for one that has just begun
    read -r tag pid host 2>/dev/null <$S/owner || tag='' pid='' host=$(uname -n)
    [ "$host" = "$(uname -n)" ] ||
        die "a run on $host was at work in $PWD. If it is no more, remove $PWD/$S and start again."
    case $tag-$pid in *[!a-z0-9-]*) die "$PWD/$S/owner is not as this script writes it. Remove it and start again." ;; esac
    if [ -n "$pid" ]; then
        case $(ps -p "$pid" -o args= 2>/dev/null) in
            *"$ME"*) die "another run (process $pid) is at work in $PWD. Wait for it, or stop it." ;;
        esac
        orphans=$(ps -A -o pid= -o args= 2>/dev/null | awk -v tag="/$tag " '$2 ~ /curl$/ && index($0, tag) { print $1 }')
        # shellcheck disable=SC2086 # process numbers, one word each
        [ -z "$orphans" ] || { kill $orphans 2>/dev/null && sleep 1; }
    fi
    mv $S "$P/old-$MAIN" 2>/dev/null && rm -rf "$P/old-$MAIN"
}

# --- The plan: which files, and which of them are here ------------------------------------------------------------

# A work line: number try flags size sha256 public_on path url uri access, single spaces between. Flags: - none,
# p protected, f only from the start, w came wrong before, r one for each redirect that was followed.
make_plan() {
    awk '
        !list { list = $0 == "#LIST"; next }
        $1 == "#U" { prefix[$2] = $3 == "-" ? "" : $3; next }
        $1 == "#F" { print ++n, 1, $2, $3, $4, $5, $8, prefix[$6] ($7 == "=" ? $9 : $7 == "-" ? "" : $7), $9, $10; next }
        $1 == "#E" { whole = $2 == n }
        END { if (!whole) print "cut" }' "$SELF" | selected >"$S/plan"
    read -r SELECTED BYTES whole <<COUNTS
$(awk '
    $1 == "cut" { cut = 1; next }
    { n++; bytes += $4 }
    END { printf "%.0f %.0f %s\n", n, bytes, cut ? "cut" : "whole" }' "$S/plan")
COUNTS
    [ "$whole" = whole ] || die "this script was cut off or changed: its list is not whole. Get it again."
    [ "$SELECTED" -gt 0 ] || [ -z "$ONLY" ] || die "none of the $FILES files matches --only."
}

selected() {
    if [ -z "$ONLY" ]; then
        cat
        return
    fi
    while IFS=' ' read -r number rest; do
        if [ "$number" = cut ]; then
            say cut
            return
        fi
        path=${rest#* * * * * }
        decode "${path%% *}"
        ! is_wanted "$TEXT" || printf '%s\n' "$number $rest"
    done
}

is_wanted() {
    rest_of_patterns=$ONLY
    while [ -n "$rest_of_patterns" ]; do
        pattern=${rest_of_patterns%%"$NEWLINE"*}
        rest_of_patterns=${rest_of_patterns#*"$NEWLINE"}
        # shellcheck disable=SC2254 # a pattern is what was asked for
        case $1 in $pattern | */$pattern) return 0 ;; esac
    done
    return 1
}

find_present() { # of the plan, "$S/here" and "$S/todo"
    : >"$S/here"
    if [ -n "$NOTHING_HERE" ]; then
        cat "$S/plan" >"$S/todo"
        return
    fi
    : >"$S/todo"
    : >"$S/some"
    set --
    while IFS=' ' read -r number try flags size sha public path rest; do
        decode "$path"
        if [ -f "./$TEXT" ]; then
            set -- "$@" "./$TEXT"
            printf '%s\n' "$number $try $flags $size $sha $public $path $rest" >>"$S/some"
            if [ $# -ge 100 ]; then
                compare "$@"
                set --
            fi
        else
            printf '%s\n' "$number $try $flags $size $sha $public $path $rest" >>"$S/todo"
        fi
    done <"$S/plan"
    [ $# -eq 0 ] || compare "$@"
    sort -n -k 1,1 "$S/todo" >"$S/some"
    mv -f "$S/some" "$S/todo"
}

compare() { # the files of the lines in $S/some with what they should be
    each_line count_bytes "$@" >"$S/sizes"
    if [ -n "$VERIFY" ] && [ -n "$SHA" ]; then
        each_line sha256_of "$@" >"$S/sums"
    else
        awk '{ print "-" }' "$S/some" >"$S/sums"
    fi
    paste -d ' ' "$S/sizes" "$S/sums" "$S/some" | awk -v todo="$S/todo" -v here="$S/here" '{
        line = $0
        sub(/^[^ ]* [^ ]* /, "", line)
        right = $1 != "-" && ($6 == "-" || $6 == $1) && ($2 == "-" || $7 == "-" || $7 == $2)
        if (right) print $3, "D", "here", $1, ($2 == "-" ? $7 : $2) >>here
        else print line >>todo
    }'
    : >"$S/some"
}

# shellcheck disable=SC2317 # called by name
count_bytes() { wc -c "$@" 2>/dev/null | sed '/^ *[0-9]* total$/d'; }

each_line() { # the first word that the program $1 says of each file; all at once where no name breaks the lines
    program=$1
    shift
    "$program" "$@" | awk '{ print $1 }' >"$S/words"
    if [ $(($(wc -l <"$S/words"))) -eq $# ]; then
        cat "$S/words"
        return
    fi
    for file; do "$program" "$file" | awk 'NR == 1 { word = $1 } END { print (word == "" ? "-" : word) }'; done
}

check_space() {
    needed=$(awk '{ bytes += $4 } END { printf "%.0f\n", bytes }' "$S/todo")
    free=$(df -Pk . 2>/dev/null | awk 'NR == 2 { print $4 }')
    case $free in '' | *[!0-9]*) return ;; esac
    [ "$needed" -le $((free * 1024)) ] ||
        die "the missing files need $(bytes "$needed"), the disk has $(bytes $((free * 1024))) free." \
            "Make room, choose another place with --dest, or fewer files with --only."
}

reserve() { # room for the manifests, whatever the files do to the disk
    size=$((SELECTED + 64))
    dd if=/dev/zero of="$S/reserve" bs=1024 count=$((size < 65536 ? size : 65536)) 2>/dev/null || die "the disk is full."
}

bytes() { # $1 for people
    awk -v n="$1" 'BEGIN {
        split("bytes kB MB GB TB PB", unit, " ")
        for (i = 1; n >= 999.95 && i < 6; i++) n /= 1000
        printf(i == 1 ? "%.0f %s\n" : "%.1f %s\n", n, unit[i])
    }'
}

# --- The token ----------------------------------------------------------------------------------------------------

get_token() {
    TOKEN=${MAST_API_TOKEN-}
    unset MAST_API_TOKEN
    protected=$(awk '$3 ~ /p/ { n++ } END { print n + 0 }' "$S/todo")
    if [ "$protected" -eq 0 ]; then
        TOKEN=''
        return
    fi
    [ -n "$TOKEN" ] || [ -z "$TOKEN_FILE" ] || read_token_file
    asked=0
    if [ -z "$TOKEN" ]; then ask_token; fi
    while [ -n "$TOKEN" ]; do
        case $TOKEN in
            *[!A-Za-z0-9._~+/=-]*) refused='it holds a character that no token holds' ;;
            *)
                check_token && return
                refused='the archive does not accept it'
                ;;
        esac
        TOKEN=''
        if ! can_ask || [ "$asked" -ge 3 ]; then
            die "the token cannot be used: $refused.${TOKEN_PAGE:+ Get a new one: $TOKEN_PAGE}"
        fi
        warn "This token cannot be used: $refused."
        ask_token
    done
    warn "Without a token: $protected of the files are exclusive access, and will be asked for all the same."
}

can_ask() { [ -t 0 ] && [ -t 2 ]; }

ask_token() {
    can_ask || return 0
    asked=$((asked + 1))
    warn "$protected of the files are exclusive access.${TOKEN_PAGE:+ A token comes from $TOKEN_PAGE}"
    ECHO_OFF=1
    stty -echo
    printf 'MAST API token (not shown; Enter: go on without): ' >&2
    IFS= read -r TOKEN || TOKEN=''
    stty echo
    ECHO_OFF=''
    warn ''
}

read_token_file() {
    # shellcheck disable=SC2012 # only rights and owner are read, from the first line
    who=$(ls -ldnL -- "$TOKEN_FILE" 2>/dev/null | awk 'NR == 1 { print substr($1, 1, 10), $3 }')
    case $who in
        '') die "the token file $TOKEN_FILE cannot be read." ;;
        "-rw------- $(id -u)" | "-r-------- $(id -u)") ;;
        *) die "others may read the token file $TOKEN_FILE, or it is not yours: chmod 600 it first." ;;
    esac
    IFS= read -r TOKEN <"$TOKEN_FILE" || [ -n "$TOKEN" ] || die "the token file $TOKEN_FILE is empty."
}

check_token() { # 1: the archive refuses it
    [ -n "$TOKEN_CHECK" ] || return 0
    for pause in 0 1 2; do
        sleep $((pause * DELAY))
        answer=$(
            printf '%surl = "%s"\nheader = "Authorization: token %s"\n' "$COMMON" "$TOKEN_CHECK" "$TOKEN" |
                curl -q -s -w '\n%{http_code}' -K - 2>/dev/null
        )
        case $answer in
            *"$NEWLINE"40[13]) return 1 ;;
            *"$NEWLINE"2??) break ;;
        esac
    done
    # MAST answers 200 to whatever it is told, and says who it takes one for.
    case $answer in *'"anon": true'* | *'"anon":true'*) return 1 ;; esac
}

is_trusted() { # may the token go to the URL $1?
    host=${1#*://}
    host=${host%%[/?#]*}
    case $host in *@* | *\\*) return 1 ;; esac
    case ${host##*]} in
        *:*) ;;
        *) case $1 in https://*) host=$host:443 ;; *) host=$host:80 ;; esac ;;
    esac
    case $ORIGINS in *" ${1%%://*}://$host "*) return 0 ;; *) return 1 ;; esac
}

# --- Asking the servers -------------------------------------------------------------------------------------------

# All that curl is to do comes by its standard input: a command line can be seen by everybody.
common_options() {
    COMMON="globoff
fail
proto = \"=http,https\"
proto-redir = \"=http,https\"
max-redirs = 5
connect-timeout = 30
speed-limit = 1
speed-time = $STALL
user-agent = \"$SOURCE ($NAME)\"
"
}

requests() { # curl's configuration for the work lines in the file $1
    next=''
    while IFS=' ' read -r number try flags size sha public path url rest; do
        part="$P/$number"
        resume_from
        printf '%surl = "%s"\noutput = "%s.part"\ndump-header = "%s.head"\n%s' "$next" "$url" "$part" "$part" "$COMMON"
        how=- token=location
        if [ "$RESUMED" = 1 ]; then
            how=R
            printf 'continue-at = "-"\n'
            case $VALIDATOR in
                \"*) VALIDATOR=${VALIDATOR#?} && printf 'header = "If-Range: \\"%s\\""\n' "${VALIDATOR%?}" ;;
                ?*) printf 'header = "If-Range: %s"\n' "$VALIDATOR" ;;
            esac
        fi
        case $flags in *p*)
            if [ -n "$TOKEN" ] && is_trusted "$url"; then
                how=T$how
                token="header = \"Authorization: token $TOKEN\"" # and no location: what follows is decided here
            fi
            ;;
        esac
        printf '%s\nwrite-out = "%s %s %%{http_code} %s %%{size_download} %%{redirect_url}|%%{content_type}\\n"\n' \
            "$token" "$number" "$how" "$EXIT_CODE"
        next="next$NEWLINE"
    done <"$1"
}

resume_from() { # RESUMED: can the part on disk be gone on with? VALIDATOR: what must not have changed since
    RESUMED=0 VALIDATOR=''
    case $flags in *f*) ;; *)
        if [ -s "$part.part" ]; then
            if [ -s "$part.tag" ]; then
                IFS= read -r VALIDATOR <"$part.tag"
            elif [ -s "$part.head" ]; then
                VALIDATOR=$(validator_in "$part.head")
                [ -z "$VALIDATOR" ] || printf '%s\n' "$VALIDATOR" >"$part.tag"
            fi
            if [ -n "$VALIDATOR" ] || [ "$sha" != - ]; then RESUMED=1; fi
        fi
        ;;
    esac
    if [ "$RESUMED" = 0 ] && [ -s "$part.tag" ]; then : >"$part.tag"; fi
}

validator_in() { # the strong ETag, or the date, of the last answer in the file $1 (RFC 9110 13.1.5)
    awk '
        { sub(/\r$/, "") }
        /^HTTP\// { status = $2; tag = date = ""; next }
        { name = tolower($0); sub(/:.*/, "", name); value = $0; sub(/^[^:]*:[ \t]*/, "", value) }
        name == "etag" && value ~ /^"[^"\\]*"$/ && value !~ /[^!-~]/ { tag = value }
        name == "last-modified" && value !~ /[^A-Za-z0-9 ,:+-]/ { date = value }
        END { if (status == 200 || status == 206) print (tag != "" ? tag : date) }' "$1"
}

start() { # sets curl to work on LIST; 1: there is nothing to ask for in it
    KIND=alone
    case $LIST in *.pack) [ -e "$S/no-packs" ] || KIND=pack ;; esac
    [ ! -e "$S/token.dead" ] || spare_protected
    [ -s "$LIST" ] || return 1
    if [ $KIND = pack ]; then
        awk "$TEXTS"' { printf "%suri=%s", (NR > 1 ? "&" : ""), percent($9) }' "$LIST" >"$LIST.form"
        pack_request | run_curl &
    else
        requests "$LIST" | run_curl &
    fi
    CURL=$!
}

# Nobody asks before this moment (seconds since 1970), unless another answer named a later one.
hold_until() {
    now_held=0
    [ ! -s "$S/hold" ] || read -r now_held <"$S/hold"
    [ "$1" -le "${now_held:-0}" ] || printf '%s\n' "$1" >"$S/hold"
}

run_curl() {
    # Who says "too many requests", or no longer takes the token, is not sent the rest of the list.
    patience=--silent
    [ ! -e "$S/hold" ] && [ -z "$TOKEN" ] || patience=--fail-early
    exec curl -q -s $patience --stderr "$S/$TAG" -K - >"$LIST.out"
}

pack_request() { # all files of LIST as one tar
    printf 'url = "%s"\ndata = "@%s"\noutput = "%s"\nheader = "Expect:"\nwrite-out = "%%{http_code}\\n"\n%s' \
        "$PACK" "$LIST.form" "$LIST.tar" "$COMMON"
    if [ -n "$TOKEN" ] && is_trusted "$PACK" && awk '$3 ~ /p/ { found = 1 } END { exit !found }' "$LIST"; then
        printf 'header = "Authorization: token %s"\n' "$TOKEN"
    fi
}

conclude() { # what curl, ended with RC, brought for the list $1 of the kind $2
    if [ "$2" = alone ]; then
        judge "$1" "$P" alone
        return
    fi
    read -r code <"$1.out" || code=0
    mkdir "$1.files"
    case $code in
        200) tar -xmf "$1.tar" -C "$1.files" 2>/dev/null ;;
        404 | 405 | 413 | 501) : >"$S/no-packs" ;;
    esac
    judge "$1" "$1.files" pack
    rm -rf "$1.form" "$1.tar" "$1.files"
}

# --- Judging what came --------------------------------------------------------------------------------------------

judge() { # the work lines in $1, whose files lie in $2 under their numbers (alone), or their places in $1 (pack)
    measure "$@"
    token_state=${TOKEN:+good}
    if awk '$3 == 401 && $2 ~ /T/ { found = 1 } END { exit !found }' "$1.out"; then
        [ -e "$S/token.dead" ] || check_token || : >"$S/token.dead"
    fi
    [ ! -e "$S/token.dead" ] || token_state=dead
    awk -v lines="$1" -v dir="$2" -v mode="$3" -v mine="$S/$W" -v P="$P" -v tries="$TRIES" -v RC="$RC" \
        -v token_state="$token_state" "$TEXTS$JUDGE" "$1" >"$S/$W.said"
    place "$2" <"$S/$W.right"
    while read -r word value; do
        case $word in
            drop) rm -f -- "$P/$value.part" "$P/$value.tag" ;;
            again) put_off "$value" ;;
            hold) hold_until $(($(date +%s) + value)) ;;
            full) : >"$S/full" && : >"$S/stop" ;;
        esac
    done <"$S/$W.said"
    [ "$3" = pack ] || forget "$1"
    rm -f "$1" "$1.out"
}

spare_protected() { # the archive no longer takes the token: no more requests that cannot succeed
    awk -v lines="$LIST" -v mode=spare -v mine="$S/$W" -v token_state=dead "$TEXTS$JUDGE" "$LIST"
    mv -f "$LIST.rest" "$LIST"
}

measure() { # $S/$W.sizes, .sums and .pages (what begins like a web page) of what came whole
    set -- "$@" "$S/$W"
    if [ "$3" = pack ]; then
        # shellcheck disable=SC2012 # all names are numbers
        ls "$2" | sed "s|^|$2/|"
    else
        awk -v P="$P" '$3 == 200 && $2 !~ /R/ || $3 == 206 { if ($4 == 0 || $4 == "-") print P "/" $1 ".part" }' "$1.out"
    fi >"$4.came"
    : >"$4.pages"
    lines=$1
    set --
    while IFS= read -r file; do
        if [ -f "$file" ] && [ ! -h "$file" ]; then set -- "$@" "$file"; fi
    done <"$S/$W.came"
    if [ $# -eq 0 ]; then
        : >"$S/$W.sizes"
        : >"$S/$W.sums"
        return
    fi
    wc -c "$@" 2>/dev/null >"$S/$W.sizes"
    sha256_of "$@" >"$S/$W.sums"
    ! awk '$5 == "-" { found = 1 } END { exit !found }' "$lines" ||
        head -c 256 /dev/null "$@" 2>/dev/null | tr -cd '\12\15\40-\176' | awk '
            /^==> .* <==$/ { name = $2; first = 1; next }
            first && NF {
                if (tolower($0) ~ /^[ \t\r]*<(!doctype html|html|head|body)/) print name
                first = 0
            }' >"$S/$W.pages"
}

# Functions on the texts of the list, for awk.
# shellcheck disable=SC2016 # the dollars are awk's
TEXTS='
    BEGIN {
        for (i = 1; i < 256; i++) ord[sprintf("%c", i)] = i
        for (i = 0; i < 8; i++) for (j = 0; j < 8; j++) for (k = 0; k < 8; k++) octal["\\0" i j k] = i * 64 + j * 8 + k
    }
    function percent(s,   out, c, code) {
        for (out = ""; s != ""; s = substr(s, length(c) + 1)) {
            c = substr(s, 1, 1)
            if (c == "\\") { c = substr(s, 1, 5); code = octal[c] } else code = ord[c]
            out = out (c ~ /^[A-Za-z0-9._~\/:-]$/ ? c : sprintf("%%%02X", code))
        }
        return out
    }
    function each(s, how,   out, at, code) {
        for (out = ""; (at = index(s, "\\0")) > 0; s = substr(s, at + 5)) {
            code = octal[substr(s, at, 5)]
            out = out substr(s, 1, at - 1)
            if (how == "json" && (code < 32 || code == 127)) out = out sprintf("\\u%04x", code)
            else if (how == "json" && (code == 34 || code == 92)) out = out sprintf("\\%c", code)
            else if (how == "html" && (code < 32 || code > 126)) out = out substr(s, at, 5)
            else if (how == "sums" && (code == 10 || code == 13 || code == 92)) {
                out = out "\\" (code == 10 ? "n" : code == 13 ? "r" : "\\")
                marked = 1
            } else if (how == "html" && index("&<>\"\047", sprintf("%c", code))) out = out "&#" code ";"
            else out = out sprintf("%c", code)
        }
        return out s
    }
    function commas(n,   s, out) {
        for (s = sprintf("%.0f", n); length(s) > 3; s = substr(s, 1, length(s) - 3))
            out = "," substr(s, length(s) - 2) out
        return s out
    }
'

# shellcheck disable=SC2016 # this too
JUDGE='
    BEGIN {
        while (mode == "alone" && (getline line < (lines ".out")) > 0) {
            split(line, f, " ")
            how[f[1]] = f[2]; code[f[1]] = f[3] + 0; rc[f[1]] = f[4]; got[f[1]] = f[5]
            sub(/^[^ ]* [^ ]* [^ ]* [^ ]* [^ ]* /, "", line)
            match(line, /\|[^|]*$/)
            target[f[1]] = substr(line, 1, RSTART - 1); type[f[1]] = tolower(substr(line, RSTART + 1))
            heard++
        }
        while ((getline line < (mine ".sizes")) > 0) { split(line, f, " "); size[f[2]] = f[1] }
        while ((getline line < (mine ".sums")) > 0) { split(line, f, " "); sum[f[2]] = f[1] }
        while ((getline line < (mine ".pages")) > 0) page[line] = 1
        if (mode == "spare") printf "" > (lines ".rest")
        else printf "" > (mine ".right")
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    }
    function fail(outcome, why) { print $1, outcome, why >> (mine ".results") }
    function drop() { print "drop", $1; delete size[name] }
    function put(class) { print >> (mine ".again." class); if (!said[class]++) print "again", class }
    function again(why) {
        if ($2 >= tries) { sub(/\.$/, "", why); fail("E", why ", tried " tries " times."); return }
        $2 = $2 + 1
        put($2)
    }
    function at_once(flag) { $3 = $3 flag; put(0) }
    function wrong(why) {
        drop()
        if ($3 ~ /w/) { fail("E", why " It did so twice."); return }
        $3 = $3 "w"
        again(why)
    }
    function right(s, digest) { print key, $1, s, digest, $7 > (mine ".right") }
    function header(name,   line, value) { # of the last answer
        while ((getline line < (P "/" $1 ".head")) > 0) {
            sub(/\r$/, "", line)
            if (line ~ /^HTTP\//) value = ""
            if (tolower(substr(line, 1, length(name) + 1)) == name ":") value = substr(line, length(name) + 2)
        }
        close(P "/" $1 ".head")
        gsub(/^[ \t]+|[ \t]+$/, "", value)
        return value
    }
    function instant(date,   n, part, month, year) { # RFC 9110 5.6.7, in seconds since some day long ago
        n = split(date, part, /[ :]+/)
        month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", part[3]) + 2) / 3
        if (n < 7 || part[3] == "" || month < 1 || month != int(month)) return 0
        year = part[4]
        if (month <= 2) { year--; month += 12 }
        return (365 * year + int(year / 4) - int(year / 100) + int(year / 400) + int((153 * month - 457) / 5) + part[2]) * 86400 + part[5] * 3600 + part[6] * 60 + part[7]
    }
    function until(date,   now, said, clock) { # by the clock of the server, which dates its answers, else by ours
        if (!instant(date)) return 0
        now = instant(header("date"))
        if (!now) {
            clock = "date +%s"
            clock | getline said
            close(clock)
            now = instant("Thu, 01 Jan 1970 00:00:00 GMT") + said
        }
        return instant(date) - now
    }
    function hold(   seconds) {
        held = 1
        seconds = header("retry-after")
        if (seconds !~ /^[0-9]+$/) seconds = until(seconds)
        if (seconds + 0 > longest + 0) longest = seconds + 0
    }
    function is_page(   kind) {
        kind = tolower($7)
        if (kind ~ /\.x?html?$/) return 0
        return (name in page) || type[$1] ~ /^text\/html/ || (type[$1] ~ /^application\/json/ && kind !~ /json$/)
    }
    function arrived(   s, digest) {
        s = (name in size) ? size[name] : 0
        digest = (name in sum) ? sum[name] : (s == 0 ? empty : "-")
        if ($5 == "-" && header("content-encoding") !~ /^(identity)?$/) { drop(); again("The server sent the file compressed, which was not asked for.") }
        else if ($5 == "-" && is_page()) { drop(); again("The server sent a web page or a message instead of the file.") }
        else if ($4 != "-" && s != $4) wrong("The server sent " commas(s) " bytes instead of " commas($4) ".")
        else if ($5 != "-" && digest != "-" && digest != $5) wrong("The server sent other bytes than the archive lists: the SHA-256 differs.")
        else right(s, digest)
    }
    function denied(c,   why) {
        why = $3 !~ /p/ ? "The archive refuses this file" : $6 == "-" ? "Exclusive access" : "Exclusive access until " $6
        if ($3 ~ /p/ && token_state == "") why = why ": it needs a token"
        if ($3 ~ /p/ && token_state == "good") why = why ": your token gives no right to it"
        if ($3 ~ /p/ && token_state == "dead") why = why ": your token is no longer accepted"
        fail("X", why (c ? " (HTTP " c ")." : "."))
    }
    function follow(   hops) {
        drop()
        hops = gsub(/r/, "r", $3)
        if (hops >= 5) fail("E", "The server sends from one address to the next without end.")
        else if (target[$1] !~ /^https?:\/\/[^\/]/ || target[$1] ~ /["\\]/ || target[$1] ~ /[^!-~]/) fail("E", "The server sends to an address that is none.")
        else { $8 = target[$1]; at_once("r") }
    }
    function unheard(e) {
        if (e == 6) again("The name of the server was not found.")
        else if (e == 7) again("There is no connection to the server.")
        else if (e == 28) again("The server fell silent.")
        else if (e == 47) fail("E", "The server sends from one address to the next without end.")
        else if (e ~ /^(3|35|51|58|60|77|83|90|91)$/) fail("E", "There is no secure connection to the server (curl error " e ").")
        else if (e > 128) again("Fetching it was stopped by signal " (e - 128) ".")
        else if (e == 23) { fail("E", "It could not be written: is the disk full?"); print "full" }
        else again("The connection broke off" (e == "" || e == "-" ? "." : " (curl error " e ")."))
    }
    function alone(   c, e) {
        if (!($1 in code)) { # curl did not come so far; if it died, then of this file
            if (heard && RC < 128 || found++) at_once("")
            else unheard(RC)
            return
        }
        c = code[$1]
        e = rc[$1] != "-" ? rc[$1] : heard == 1 ? RC : ""
        if (how[$1] ~ /R/ && (c == 200 || e == 33 || (e == "" && got[$1] == 0)) || c == 416) { drop(); if ($3 ~ /f/) again("The server answers with HTTP " c "."); else at_once("f") }
        else if (c == 206 && how[$1] !~ /R/) { drop(); again("The server sent a part of the file, which was not asked for.") }
        else if ((c == 200 || c == 206) && (e == 0 || e == "" && size[name] + 0 >= $4 + 0)) arrived()
        else if (c == 206 && how[$1] ~ /R/ && got[$1] >= 1000000 && e != 23) at_once("")
        else if (c == 200 || c == 206 || c == 0) unheard(e)
        else if (c == 401 || c == 403) denied(c)
        else if (c >= 300 && c < 400) { if (e == 47) unheard(e); else follow() }
        else if (c == 429 || c == 503) { hold(); again("The server is too busy (HTTP " c ").") }
        else if (c == 408 || c == 425 || c == 500 || c == 502 || c == 504) again("The server is out of order (HTTP " c ").")
        else if (c == 404 || c == 410) fail("E", "The server has no such file (HTTP " c ").")
        else fail("E", "The server refuses it (HTTP " c ").")
    }
    {
        key = mode == "pack" ? FNR - 1 : $1 ".part"
        name = dir "/" key
        if (mode == "spare") { if ($3 ~ /p/) denied(""); else print > (lines ".rest") }
        else if (mode == "alone") alone()
        else if ((name in size) && size[name] == $4 && ($5 == "-" || !(name in sum) || sum[name] == $5)) right($4, (name in sum) ? sum[name] : "-")
        else put(0)
    }
    END { if (held) print "hold", (longest > 300 ? 300 : longest + 0) }
'

place() { # moves each checked file from $1 to its name, which no file gets in another way
    while IFS=' ' read -r key number size digest path; do
        decode "$path"
        file=./$TEXT
        [ -d "${file%/*}" ] || mkdir -p -- "${file%/*}" 2>/dev/null
        [ -e "$1/$key" ] || : >"$1/$key"
        if [ -d "$file" ]; then
            say "$number E A folder of this name is in the way."
        elif mv -f -- "$1/$key" "$file" 2>/dev/null; then
            say "$number D fetched $size $digest"
            DONE=$((DONE + 1)) DONE_BYTES=$((DONE_BYTES + size))
        else
            say "$number E It could not be moved to its folder: check your rights and the disk."
        fi
    done >>"$S/$W.results"
    printf '%s\n' "$DONE $DONE_BYTES" >"$S/$W.count"
}

forget() { # what was kept for going on with a part that is no more
    gone=''
    while IFS=' ' read -r number rest; do
        [ -e "$P/$number.part" ] || gone="$gone "$P/$number.head" $P/$number.tag"
    done <"$1"
    # shellcheck disable=SC2086 # our own names, one word each
    rm -f -- $gone
}

# --- The workers --------------------------------------------------------------------------------------------------

# Cuts "$S/todo" into lists: long ones first, short ones for the end, so that all workers end together.
make_lists() {
    mkdir "$S/lists"
    awk -v jobs="$JOBS" -v pack="${PACK:+1}" -v old="$([ "$EXIT_CODE" = - ] && echo 1)" -v lists="$S/lists/" '
        function packable() { return pack && $4 != "-" && $4 <= 4194304 && $4 > 0 && index($8, origin) == 1 }
        function close_list(kind) { if (open[kind]) { close(open[kind]); open[kind] = ""; files[kind] = bytes[kind] = 0 } }
        function put(kind) {
            if (!open[kind]) open[kind] = lists (++count) "." kind
            print > open[kind]
            files[kind]++
            bytes[kind] += $4
        }
        function least(a, b) { return a < b ? a : b }
        function most(a, b) { return a > b ? a : b }
        BEGIN { origin = ENVIRON["PACK"]; match(origin, /^https?:\/\/[^\/]*\//); origin = substr(origin, 1, RLENGTH) }
        NR == FNR { kind = packable() ? "pack" : "alone"; left[kind]++; weight[kind] += $4; next }
        packable() {
            if (files["pack"] >= 1000 || files["pack"] && bytes["pack"] + $4 > most(4e6, least(67108864, weight["pack"] / (2 * jobs)))) close_list("pack")
            put("pack")
            next
        }
        {
            if (!room) { room = most(4, least(100, int(left["alone"] / (1.5 * jobs)))); close_list("alone") }
            share = most(1.6e7, least(1.28e8, weight["alone"] / (1.5 * jobs)))
            if (bytes["alone"] && bytes["alone"] + $4 > share || old && $4 == "-") { close_list("alone"); room = most(4, least(100, int(left["alone"] / (1.5 * jobs)))) }
            put("alone")
            room--
            left["alone"]--
            weight["alone"] -= $4
            if (old && $4 == "-") { close_list("alone"); room = 0 }
        }
        END { print count + 0 }' "$S/todo" "$S/todo"
}

claim() { # a list that nobody has taken: first each worker its own, then what is left
    while :; do
        if [ "$NEXT" -gt "$LISTS" ]; then
            [ "$STEP" -gt 1 ] || return 1
            NEXT=1 STEP=1
            continue
        fi
        number=$NEXT
        NEXT=$((NEXT + STEP))
        if (set -C && : >"$S/lists/$number.taken") 2>/dev/null; then
            LIST=$S/lists/$number.alone
            [ -e "$LIST" ] || LIST=$S/lists/$number.pack
            return 0
        fi
    done
}

put_off() { # what goes into the $1st try
    pause=0
    class=$1
    while [ "$class" -gt 1 ]; do
        pause=$((pause ? pause * 2 : DELAY))
        class=$((class - 1))
    done
    [ "$pause" -le 60 ] || pause=60
    printf '%s\n' $(($(date +%s) + pause)) >"$S/$W.due.$1"
}

due() { # a list of files whose time for another try has come; WAITING: there are such lists
    WAITING=''
    class=0
    while [ "$class" -le "$TRIES" ]; do
        if [ -s "$S/$W.again.$class" ]; then
            WAITING=1
            read -r when <"$S/$W.due.$class"
            if [ "$(date +%s)" -ge "$when" ]; then
                TAKEN=$((TAKEN + 1))
                LIST=$S/$W.$TAKEN.list
                mv -f "$S/$W.again.$class" "$LIST"
                return 0
            fi
        fi
        class=$((class + 1))
    done
    return 1
}

hold() { # until the moment that a server has named
    while [ -s "$S/hold" ] && [ ! -e "$S/stop" ]; do
        read -r when <"$S/hold"
        [ "$(date +%s)" -lt "${when:-0}" ] || return 0
        sleep 1
    done
}

work() { # as worker $1; while curl fetches one list, what came for the one before it is judged
    W=$1 CURL='' DONE=0 DONE_BYTES=0 NEXT=$1 STEP=$JOBS TAKEN=0 BEFORE=''
    trap '' INT
    trap '[ -z "$CURL" ] || kill -KILL "$CURL" 2>/dev/null; exit 0' TERM
    while [ ! -e "$S/stop" ] && kill -0 "$MAIN" 2>/dev/null; do
        hold
        if due || claim; then
            start || continue
        elif [ -n "$BEFORE" ]; then
            LIST=''
        elif [ -n "$WAITING" ]; then
            sleep 1
            continue
        else
            return 0
        fi
        [ -z "$BEFORE" ] || conclude "$BEFORE" "$BEFORE_KIND"
        BEFORE=$LIST BEFORE_KIND=$KIND
        [ -z "$LIST" ] || attend
    done
    [ -z "$BEFORE" ] || conclude "$BEFORE" "$BEFORE_KIND"
}

attend() {
    wait "$CURL"
    RC=$?
    CURL=''
    [ $RC -ne 23 ] || rm -f "$S/reserve" # the disk is full: room for the notes
    if awk '/^[0-9]+ [^ ]* (401|429|503) / { found = 1 } END { exit !found }' "$BEFORE.out"; then
        conclude "$BEFORE" "$KIND" # before anything else is asked for: the server is too busy, or the token dead
        BEFORE=''
    fi
}

finish_parts() { # parts that were fetched to the last byte before a run was stopped, and not checked any more
    set -- "$P"/*.part
    [ -e "$1" ] || return 0
    wc -c "$@" 2>/dev/null | awk -v list="$S/0.list" -v P="$P" '
        NR == FNR { sub(/^.*\//, "", $2); sub(/\.part$/, "", $2); size[$2] = $1; next }
        ($1 in size) && $4 == size[$1] { print > list; print $1, "-", 206, 0, 0, "|" > (list ".out"); next }
        ($1 in size) && $4 != "-" && size[$1] + 0 > $4 + 0 { print P "/" $1 ".part" > (list ".long") }
        { print }' - "$S/todo" >"$S/some"
    mv -f "$S/some" "$S/todo"
    [ ! -e "$S/0.list.long" ] || while IFS= read -r file; do rm -f -- "$file"; done <"$S/0.list.long"
    [ -e "$S/0.list" ] || return 0
    W=0 DONE=0 DONE_BYTES=0 RC=0
    judge "$S/0.list" "$P" alone
    cat "$S"/0.again.* 2>/dev/null >>"$S/todo"
    rm -f "$S"/0.again.*
}

progress() {
    every=60 end=$NEWLINE
    [ ! -t 1 ] || every=2 end=$(printf '\r')
    before=$!
    trap '' INT # Ctrl-C reaches all; whoever started this decides what it means
    trap 'trap "" TERM; : >"$S/silent"; [ $! = $before ] || kill -KILL $!; exit 0' TERM
    while :; do
        sleep $every >/dev/null 2>&1 &
        wait $!
        files=$PRESENT size=0
        for count in "$S"/*.count; do
            [ -e "$count" ] && read -r more much <"$count" && files=$((files + more)) size=$((size + much))
        done
        much=$(cd "$P" && wc -c ./*.part 2>/dev/null | awk 'END { print $1 + 0 }')
        printf '  %s of %s files here, %s fetched          %s' "$files" "$SELECTED" "$(bytes $((size + much)))" "$end"
    done
}

run_workers() {
    LISTS=$(PACK=$PACK make_lists)
    [ "$LISTS" -ge "$JOBS" ] || JOBS=$((LISTS > 0 ? LISTS : 1))
    WORKERS='' number=1
    while [ $number -le "$JOBS" ]; do
        work $number 2>"$S/$number.errors" &
        WORKERS="$WORKERS $!"
        number=$((number + 1))
    done
    TICKER=''
    if [ -z "$QUIET" ]; then
        progress &
        TICKER=$!
    fi
    for pid in $WORKERS; do
        while kill -0 "$pid" 2>/dev/null; do wait "$pid"; done
    done
    [ -z "$SIGNAL" ] || finish_parts
    # Told again until it has heard: what comes to a process that was just made may be lost.
    if [ -n "$TICKER" ]; then until [ -e "$S/silent" ] || ! kill "$TICKER" 2>/dev/null; do :; done; fi
    [ -n "$QUIET" ] || [ ! -t 1 ] || printf '%78s\r' ''
}

# --- What became of it --------------------------------------------------------------------------------------------

settle() { # $S/final: outcome size sha256 public_on path uri access reason, a line for each file
    why='Not tried: the run was stopped.'
    [ -n "$SIGNAL" ] || why='Not tried: something else went wrong before.'
    [ ! -e "$S/full" ] || why='Not tried: the disk is full.'
    cat "$S/here" "$S"/*.results 2>/dev/null | sort -n -k 1,1 >"$S/outcomes"
    blank=$(grep -c ' -$' "$S/here")
    awk -v outcomes="$S/outcomes" -v why="$why" -v blank="$blank" "$TEXTS"'
        function advance() {
            at = ""
            if ((getline line < outcomes) <= 0) return
            split(line, o, " ")
            at = o[1]
        }
        BEGIN {
            word["X"] = "denied"; word["E"] = "failed"
            while (blank && (getline line < "SHA256SUMS") > 0) if (line ~ /^[0-9a-f]/) known[substr(line, 67)] = substr(line, 1, 64)
            advance()
        }
        at != $1 { print "skipped", $4, $5, $6, $7, $9, $10, why; next }
        o[2] == "D" {
            if (o[5] == "-" && each($7) in known) o[5] = known[each($7)]
            print "delivered", o[4], o[5], $6, $7, $9, $10
        }
        o[2] != "D" { reason = line; sub(/^[^ ]* [^ ]* /, "", reason); print word[o[2]], $4, $5, $6, $7, $9, $10, reason }
        { for (n = $1; at == n;) advance() }' "$S/plan" >"$S/final"
    read -r DELIVERED DENIED FAILED SKIPPED <<COUNTS
$(awk '{ n[$1]++ } END { print n["delivered"] + 0, n["denied"] + 0, n["failed"] + 0, n["skipped"] + 0 }' "$S/final")
COUNTS
    MISSING=$((SELECTED - DELIVERED))
}

write_manifests() {
    complete=true
    [ $MISSING -eq 0 ] || complete=false
    STAMP=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    export STAMP USER_NAME NAME_CODED
    awk -v complete=$complete -v counts="$SELECTED $DELIVERED $DENIED $FAILED $SKIPPED 0 $DUPLICATES" "$TEXTS"'
        function text(s) { return "\"" each(s, "json") "\"" }
        BEGIN {
            printf "{\"name\": %s, \"created\": \"%s\", \"user\": %s, \"complete\": %s, \"counts\": ",
                text(ENVIRON["NAME_CODED"]), ENVIRON["STAMP"], text(ENVIRON["USER_NAME"]), complete
            n = split("requested delivered denied failed skipped pending duplicates", word, " ")
            split(counts, count, " ")
            for (i = 1; i <= n; i++) printf "%s\"%s\": %s", (i > 1 ? ", " : "{"), word[i], count[i]
            printf "}, \"files\": ["
            left_out = listed = 0
        }
        {
            reason = $0
            if (NF < 8 || !sub(/^[^ ]* [^ ]* [^ ]* [^ ]* [^ ]* [^ ]* [^ ]* /, "", reason)) reason = ""
            if ($1 == "delivered") { if ($3 == "-") left_out++; else listed++ }
            comma = NR > 1 ? "," : ""
            print comma
            printf "{\"uri\": %s, \"path\": %s, \"size\": %s, ", text($6), text($5), ($2 == "-" ? "null" : $2)
            printf "\"sha256\": %s, \"access\": %s, ", ($3 == "-" ? "null" : text($3)), text($7 == "-" ? "" : $7)
            printf "\"outcome\": \"%s\", \"reason\": %s, ", $1, text(reason)
            printf "\"public_on\": %s}", ($4 == "-" ? "null" : text($4))
        }
        END { printf "\n], \"sha256sums\": {\"file\": \"SHA256SUMS\", \"listed\": %d, \"left_out\": %d}}\n", listed, left_out }
        ' "$S/final" >"$S/json"
    awk "$TEXTS"'
        $1 == "delivered" && $3 != "-" {
            marked = 0
            name = each($5, "sums")
            mark = marked ? "\\" : ""
            print mark $3 "  " name
        }' "$S/final" >"$S/sums"
    html_manifest >"$S/html"
    if ! { grep -q '^</html>$' "$S/html" && grep -q '"left_out": [0-9]*}}$' "$S/json"; }; then
        warn "The disk is full: the manifests in $PWD are not of this run."
        return
    fi
    if ! { mv -f "$S/html" MANIFEST.HTML && mv -f "$S/json" MANIFEST.json && mv -f "$S/sums" SHA256SUMS; } 2>/dev/null; then
        warn "The manifests could not be written to $PWD: check your rights and the disk."
    fi
}

html_manifest() {
    awk -v requested="$SELECTED" -v delivered="$DELIVERED" -v denied="$DENIED" -v failed="$FAILED" \
        -v skipped="$SKIPPED" -v duplicates="$DUPLICATES" "$TEXTS"'
        function files(n) { return n " file" (n == 1 ? "" : "s") }
        function cell(s) { print "                <td>" s "</td>" }
        BEGIN {
            name = each(ENVIRON["NAME_CODED"], "html")
            user = each(ENVIRON["USER_NAME"], "html")
            print "<!DOCTYPE html>\n<html lang=\"en\">\n    <head>\n        <meta charset=\"utf-8\">"
            print "        <meta http-equiv=\"Content-Security-Policy\" content=\"default-src \047none\047; style-src \047unsafe-inline\047\">"
            print "        <meta name=\"referrer\" content=\"no-referrer\">\n        <meta name=\"color-scheme\" content=\"light dark\">"
            print "        <title>" name "</title>\n        <style>\n            body { font-family: system-ui, sans-serif }"
            print "            td { overflow-wrap: anywhere; unicode-bidi: isolate }"
            print "            td:nth-child(6) { text-align: right }\n            td:nth-child(7) { font-family: monospace }"
            print "        </style>\n    </head>\n    <body>\n        <h2>Manifest for File: " name "</h2>"
            print "        <h3>Total Files: " requested "</h3>"
            if (delivered == requested) print "        <p>Complete: all " files(requested) " requested are here.</p>"
            else print "        <p>NOT COMPLETE: " requested - delivered " of " files(requested) " requested " \
                (requested - delivered == 1 ? "is" : "are") " not here; the Status column says why.</p>"
            print "        <p>" files(requested) " requested = " delivered " delivered + " denied " denied + " failed \
                " failed + " skipped " skipped.</p>"
            if (duplicates > 0) print "        <p>" duplicates " listed more than once " \
                (duplicates == 1 ? "was" : "were") " counted once.</p>"
            print "        <p>Created " ENVIRON["STAMP"] ". Checksums to run: sha256sum -c SHA256SUMS</p>"
            print "        <table cellspacing=\"0\" cellpadding=\"4\" rules=\"all\" style=\"border-width:5px; " \
                "border-style:solid; border-collapse:collapse;\">\n            <tr>"
            n = split("URI,File,Access,Status,Logged In User,Size (bytes),SHA-256", column, ",")
            for (i = 1; i <= n; i++) print "                <th scope=\"col\">" column[i] "</th>"
            print "            </tr>"
        }
        {
            reason = $0
            if (NF < 8 || !sub(/^[^ ]* [^ ]* [^ ]* [^ ]* [^ ]* [^ ]* [^ ]* /, "", reason)) reason = ""
            status = $1 == "delivered" ? "OK" : $1 == "denied" ? "Not Authorized" : $1 == "failed" ? "Failed" : "Skipped"
            if ($1 == "denied" && $4 != "-") status = status " (becomes public on " $4 ")"
            print "            <tr>"
            cell(each($6, "html"))
            cell(each($5, "html"))
            cell($7 == "-" ? "" : each($7, "html"))
            cell(status (reason == "" ? "" : ": " reason))
            cell(user)
            cell($2 == "-" ? "" : $2)
            cell($3 == "-" ? "" : $3)
            print "            </tr>"
        }
        END { print "        </table>\n    </body>\n</html>" }' "$S/final"
}

summary() {
    [ "$SELECTED" -eq "$FILES" ] || say "selected $SELECTED of $FILES"
    say "requested $SELECTED = delivered $DELIVERED + denied $DENIED + failed $FAILED + skipped $SKIPPED"
    [ "$PRESENT" -eq 0 ] || say "$PRESENT of them were already here."
    if [ $MISSING -gt 0 ]; then
        say "Missing:"
        awk '$1 != "delivered" {
            if (++n > 50) next
            reason = $0
            sub(/^[^ ]* [^ ]* [^ ]* [^ ]* [^ ]* [^ ]* [^ ]* /, "", reason)
            print $1, $5, reason
        }' "$S/final" | while IFS=' ' read -r outcome path reason; do
            shown "$path"
            say "  $outcome  $TEXT: $reason"
        done
        [ $MISSING -le 50 ] || say "  and $((MISSING - 50)) more: the manifests list them all."
    fi
    say "Manifests: $HERE/MANIFEST.HTML, MANIFEST.json, SHA256SUMS"
    [ "$SKIPPED" -eq 0 ] || [ -e "$S/stop" ] || head -n 5 "$S"/*.errors >&2
    [ "$FAILED$SKIPPED" = 00 ] || say "Run this script again to fetch what is missing; what is here stays."
}

clean_up() {
    rm -rf "$S"
    if [ $MISSING -eq 0 ] && [ -z "$ONLY" ]; then rm -rf "$P"; else rmdir "$P" 2>/dev/null; fi
}

finish() {
    rm -f "$S/reserve"
    settle
    write_manifests
    summary
    clean_up
    [ -z "$SIGNAL" ] || exit "$SIGNAL"
    [ $MISSING -eq 0 ] || exit 1
    exit 0
}

# shellcheck disable=SC2317 # called by the traps
stopped() {
    trap '' INT TERM HUP
    SIGNAL=$1
    [ -z "$ECHO_OFF" ] || stty echo
    : >"$S/stop"
    # shellcheck disable=SC2086 # process numbers, one word each
    if [ -n "$WORKERS" ]; then kill -TERM $WORKERS 2>/dev/null; else finish; fi
}

dry_run() {
    awk '{ print $4, $7 }' "$S/todo" | while IFS=' ' read -r size path; do
        shown "$path"
        if [ "$size" = - ]; then say "  $TEXT"; else say "  $TEXT  $(bytes "$size")"; fi
    done
    read -r missing much <<COUNTS
$(awk '{ bytes += $4 } END { printf "%.0f %.0f\n", NR, bytes }' "$S/todo")
COUNTS
    [ "$SELECTED" -eq "$FILES" ] || say "selected $SELECTED of $FILES"
    say "$missing files ($(bytes "$much")) would be fetched to $FOLDER; $PRESENT are already here."
    leave_no_trace
}

main() {
    NEWLINE='
'
    ME=${0##*/} MAIN=$$ OURS='' DRY='' HERE=$PWD NOTHING_HERE='' SIGNAL='' WORKERS='' ECHO_OFF='' SOURCE=''
    case $0 in */*) SELF=$0 ;; *) SELF=./$0 ;; esac
    [ -f "$SELF" ] || SELF=$(command -v -- "$0") || SELF=$0
    case $SELF in /*) ;; *) SELF=$PWD/$SELF ;; esac
    read_options "$@"
    check_tools
    read_header
    choose_folder
    enter_folder
    make_plan
    find_present
    PRESENT=$(($(wc -l <"$S/here")))
    if [ -n "$DRY" ]; then
        dry_run
        exit 0
    fi
    trap 'stopped 130' INT
    trap 'stopped 143' TERM
    trap 'stopped 129' HUP
    say "$NAME: $SELECTED files ($(bytes "$BYTES")) to $HERE"
    check_space
    reserve
    common_options
    get_token
    finish_parts
    run_workers
    finish
}

main "$@"
}
#LIST
