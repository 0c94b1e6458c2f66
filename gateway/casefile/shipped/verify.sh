#!/bin/sh
# Checks an evidence bundle of Sekisho with a POSIX shell and openssl alone; changes nothing.
#
#     unzip case.zip && sh case/data/verify/verify.sh          (or:  sh verify.sh FOLDER-OF-THE-BAG)
#
# Exit code 0: everything holds. 1: something does not, and is named. 2: this is no bundle, or openssl is missing.
LC_ALL=C
export LC_ALL
set -u

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
bag=${1:-$here/../..}
cd "$bag" 2>/dev/null && [ -f bagit.txt ] || { echo "証拠一式ではありません / not a bundle: $bag" >&2; exit 2; }
command -v openssl >/dev/null || { echo "openssl がありません / openssl is missing" >&2; exit 2; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
v=data/verify
: >"$work/faults"

note() { printf '・%s\n    %s\n' "$1" "$2"; }
fault() { printf '✗ [%s] %s\n    %s\n' "$1" "$2" "$3" | tee -a "$work/faults"; }
digest() { openssl dgst -sha256 -r "$1" 2>/dev/null | cut -c 1-64; }

# Gives "digest name" for the names on standard input, one call of openssl for many files.
digests() { tr '\n' '\0' | xargs -0 openssl dgst -sha256 -r 2>/dev/null | sed 's/^\([0-9a-f]*\) \*/\1  /'; }

# --- the files -------------------------------------------------------------------------------------------------------

# Names that are none of ours, and what is no plain file, would deceive the commands below.
find . ! -type d ! -type f >"$work/odd"
find . -name '*[!A-Za-z0-9._-]*' ! -name . | tr -c 'A-Za-z0-9._/\n-' '?' >>"$work/odd"
while read -r name; do
    fault FILE_ADDED "$name が付け加えられています。" "$name was added."
done <"$work/odd"

awk '
    BEGIN {
        tags = " bagit.txt bag-info.txt manifest-sha256.txt "
        for (i = 1; i <= 4; i++)
            tags = tags "signature/" (i < 3 ? "manifest-sha256.txt" : "bag-info.txt") "." (i % 2 ? "ed25519" : "ecdsa") " "
    }
    { name = substr($0, 67); tag = FILENAME ~ /^tag/ }
    (name in seen) || (tag ? !index(tags, " " name " ") : name !~ /^data\//) { print "MANIFEST", FILENAME, name >odd; next }
    { seen[name] = 1; print }
    END { split(tags, all, " "); for (i in all) if (!(all[i] in seen)) print "-", all[i] >odd }
' odd="$work/lines" manifest-sha256.txt tagmanifest-sha256.txt >"$work/listed" 2>/dev/null
touch "$work/lines"
while read -r what manifest name; do
    case $what in
    MANIFEST) fault MANIFEST "$manifest に余分な行があります: $name" "$manifest has a line too many: $name" ;;
    *) [ -f "$manifest" ] || fault FILE_MISSING "$manifest がありません。" "$manifest is missing." ;;
    esac
done <"$work/lines"
find . -type f | sed 's,^\./,,' | grep -v '^tagmanifest-sha256\.txt$' | sort >"$work/there"
digests <"$work/there" | sort -k 2 >"$work/actual"
awk -v OFS='\t' '
    FILENAME == ARGV[1] { listed[substr($0, 67)] = $1; next }
    FILENAME == ARGV[2] { actual[substr($0, 67)] = $1; next }
    { there[$0] = 1 }
    !($0 in listed) { print "ADDED", $0; next }
    listed[$0] != actual[$0] { print "CHANGED", $0 }
    END { for (name in listed) if (!(name in there)) print "MISSING", name }
' "$work/listed" "$work/actual" "$work/there" | sort >"$work/differences"
while IFS='	' read -r what name; do
    case $what in
    ADDED) fault FILE_ADDED "$name が付け加えられています。" "$name was added." ;;
    CHANGED) fault FILE_CHANGED "$name が変更されています。" "$name was changed." ;;
    MISSING) fault FILE_MISSING "$name がありません。" "$name is missing." ;;
    esac
done <"$work/differences"
printf 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n' | cmp -s - bagit.txt ||
    fault FILE_CHANGED "bagit.txt が変更されています。" "bagit.txt was changed."

signed() {
    openssl dgst -sha256 -verify $v/keys/ecdsa.pem -signature "signature/$1.ecdsa" "$1" >/dev/null 2>&1 &&
        { [ -z "$ed25519" ] || openssl pkeyutl -verify -pubin -inkey $v/keys/ed25519.pem -rawin -in "$1" \
            -sigfile "signature/$1.ed25519" >/dev/null 2>&1; }
}
# Old versions of openssl do not check Ed25519; the signatures by ECDSA say the same.
ed25519=
openssl pkeyutl -help 2>&1 | grep -q rawin && ed25519=yes
if signed manifest-sha256.txt; then
    note "ファイル $(wc -l <"$work/listed" | tr -d ' ') 個と一覧の署名" "files and the signature of their list"
else
    fault MANIFEST_SIGNATURE \
        "ファイル一覧の署名が正しくありません。作成後に、ファイルか一覧が変更されています。" \
        "The signature of the list of files is not good: files or the list were changed after it was made."
fi
signed bag-info.txt ||
    fault BAG_INFO "bag-info.txt の署名が正しくありません。" "The signature of bag-info.txt is not good."
print=$(openssl pkey -pubin -in $v/keys/ed25519.pem -outform DER 2>/dev/null | tail -c 32 | openssl dgst -sha256 -r | cut -c 1-64)
note "署名鍵の指紋 $print（ECDSA: $(digest $v/keys/ecdsa.pem)）。店から別に受け取ったものと同じか、お確かめください" \
    "fingerprints of the signing keys: compare them with what the shop told you by another way"

# --- the log ---------------------------------------------------------------------------------------------------------

# Columns: kind of line, number, time, kind of record, hash.
awk '
    { fits = NF == 5 && length($2) < 16 && length($3) == 27 && length($4) < 41 && length($5) == 64 && $2 !~ /^0./ }
    fits && /^sekisho\/1 [0-9]+ [0-9T:.Z-]+ [a-z][a-z0-9._-]* [0-9a-f]+$/ { print "leaf", $2, $3, $4, $5; next }
    fits && /^deleted [0-9]+ [0-9T:.Z-]+ [a-z][a-z0-9._-]* [0-9a-f]+$/ { print "gone", $2, $3, $4, $5; next }
    { print "bad", NR }
' $v/leaves.txt >"$work/leaves"
awk '
    $1 == "bad" { print "LEAF_CHANGED", $2; next }
    { if ($2 in seen) twice = twice == "" ? $2 : twice; seen[$2] = 1; if ($2 + 0 > last) last = $2 + 0 }
    NR > 1 && $2 + 0 < before && swapped == "" { swapped = before }
    $3 "" < newest && backwards == "" { backwards = $2 }
    { before = $2 + 0; newest = $3 "" }
    END {
        if (last > NR + 5) last = NR + 5
        for (n = 0; n <= last; n++) if (!(n in seen) && missing++ < 5) print "RECORD_MISSING", n
        if (twice != "") print "RECORD_INSERTED", twice
        if (swapped != "") print "RECORDS_SWAPPED", swapped
        if (backwards != "") print "TIME_BACKWARDS", backwards
    }
' "$work/leaves" >"$work/order"
while read -r what number; do
    case $what in
    LEAF_CHANGED) fault $what "ログの $number 行目を読めません。" "Line $number of the log is no leaf." ;;
    RECORD_MISSING) fault $what "記録 $number が取り除かれています。" "Record $number was taken out of the log." ;;
    RECORD_INSERTED)
        fault $what "記録 $number が二つあります。一方は後から挿入されたものです。" \
            "There are two records $number: one was inserted." ;;
    TIME_BACKWARDS)
        fault $what "記録 $number の時刻が、直前の記録より前になっています。" \
            "Record $number bears a time before that of the record before it." ;;
    RECORDS_SWAPPED)
        fault $what "記録の順序が入れ替えられています（記録 $number の後）。" \
            "Records were swapped: the order is broken after record $number." ;;
    esac
done <"$work/order"
size=$(grep -c -v '^bad' "$work/leaves")

# An awk function that writes, for a hash in hex, the octal escapes that printf(1) makes bytes of.
octal='
    function bytes(hex,   at, out) {
        out = ""
        for (at = 1; at < length(hex); at += 2)
            out = out sprintf("\\%03o", (index(digits, substr(hex, at, 1)) - 1) * 16 + index(digits, substr(hex, at + 1, 1)) - 1)
        return out
    }
    BEGIN { digits = "0123456789abcdef" }'

# Hashes many small pieces: standard input is a shell script that writes them to the files 1, 2, 3 … of a folder.
hash_pieces() {
    rm -rf "$work/pieces" && mkdir "$work/pieces" && cat >"$work/script" && (cd "$work/pieces" && . "$work/script")
    count=$(find "$work/pieces" -type f | wc -l | tr -d ' ')
    [ "$count" -eq 0 ] && return
    (cd "$work/pieces" && awk -v n="$count" 'BEGIN { for (i = 1; i <= n; i++) print i }' | xargs openssl dgst -sha256 -r) |
        cut -c 1-64
}

# The hashes of all leaves, in slices so that few files lie there at a time.
slice=4096
at=1
: >"$work/hashes"
while [ "$at" -le "$size" ]; do
    [ "$size" -gt 20000 ] && [ -t 2 ] && printf '\r%s / %s' "$at" "$size" >&2
    grep -v '^bad' "$work/leaves" | sed -n "$at,$((at + slice - 1))p" >"$work/some"
    awk '$1 == "leaf" { n++; printf "printf '\''\\000%%s'\'' '\''sekisho/1 %s %s %s %s'\'' >%d\n", $2, $3, $4, $5, n }' \
        "$work/some" | hash_pieces >"$work/fresh"
    awk 'FNR == NR { fresh[FNR] = $1; next } $1 == "leaf" { print fresh[++n]; next } { print $5 }' \
        "$work/fresh" "$work/some" >>"$work/hashes"
    at=$((at + slice))
done
[ "$size" -gt 20000 ] && [ -t 2 ] && printf '\r' >&2

# The root over the hashes on standard input (RFC 6962, section 2.1): level by level, an odd one goes up as it is.
tree() {
    cat >"$work/level"
    while [ "$(wc -l <"$work/level")" -gt 1 ]; do
        awk "$octal"'
            NR % 2 { left = $1; next }
            { printf "printf '\''\\001%s%s'\'' >%d\n", bytes(left), bytes($1), NR / 2 }
        ' "$work/level" | hash_pieces >"$work/above"
        awk 'END { if (NR % 2) print $1 }' "$work/level" >>"$work/above"
        mv "$work/above" "$work/level"
    done
    cat "$work/level"
}

# The root hash (hex) of the first $1 records.
root_of() { sed -n "1,$1p" "$work/hashes" | tree; }

# The root hash (hex) that a note states.
stated() { sed -n 3p "$1" | openssl base64 -d -A 2>/dev/null | od -An -v -tx1 | tr -d ' \n'; }

# The number of records that a note seals; 0 where it says none.
sealed_by() { sed -n 2p "$1" 2>/dev/null | awk '/^[0-9]+$/ && length($0) < 16 { print; found = 1 } END { if (!found) print 0 }'; }

origin=$(sed -n 1p $v/checkpoint.txt)
sealed=$(sealed_by $v/checkpoint.txt)
ours=$(sed 's/+.*//' $v/keys/verifier.txt)

# Whether the note $1 bears a good signature by the Ed25519 key in the file $2: it follows the four bytes that name it.
noted_by() {
    sed '/^$/,$d' "$1" >"$work/body"
    sed -n '/^$/,$p' "$1" | awk -v name="$ours" '$2 == name { print $3 }' | while read -r one; do
        printf '%s' "$one" | openssl base64 -d -A 2>/dev/null | tail -c 64 >"$work/signature"
        openssl pkeyutl -verify -pubin -inkey "$2" -rawin -in "$work/body" -sigfile "$work/signature" >/dev/null 2>&1 &&
            echo good
    done | grep -q good
}
if [ "$origin" != "$ours" ]; then
    fault OTHER_LOG "チェックポイントは、別のゲートウェイ（$origin）のものです。この一式のログは $ours です。" \
        "The checkpoint belongs to another gateway, $origin; the log of this bundle is $ours."
else
    if openssl dgst -sha256 -verify $v/keys/ecdsa.pem -signature $v/checkpoint.ecdsa $v/checkpoint.txt >/dev/null 2>&1 &&
        { [ -z "$ed25519" ] || noted_by $v/checkpoint.txt $v/keys/ed25519.pem; }; then
        :
    else
        fault SIGNATURE "チェックポイントに、このゲートウェイの鍵による正しい署名がありません。" \
            "The checkpoint bears no good signature of this gateway's key: altered, or another gateway's."
    fi
    if [ "$size" -lt "$sealed" ]; then
        fault LOG_CUT "ログは $size 件で終わっていますが、チェックポイントは $sealed 件を証明しています。取り除かれています。" \
            "The log ends after $size records, but the checkpoint seals $sealed: it was cut."
    elif [ "$size" -gt "$sealed" ]; then
        fault RECORD_INSERTED "ログが $size 件あり、チェックポイントの $sealed 件より多くなっています。挿入されています。" \
            "The log has $size records, more than the $sealed that the checkpoint seals: some were inserted."
    elif [ "$(root_of "$sealed")" != "$(stated $v/checkpoint.txt)" ]; then
        fault ROOT "ログのルートハッシュが、署名されたチェックポイントと合いません。記録が変更・入替・挿入されています。" \
            "The log does not have the root hash that was signed: records were altered, swapped or inserted."
    else
        note "ログ全 $sealed 件とチェックポイント（$origin）" "all $sealed records of the log against the checkpoint of $origin"
    fi
fi

# --- disclosed records, and the keys that they name ------------------------------------------------------------------

find $v/records -type f -name '*.bin' | sort | digests >"$work/opened"
awk '
    FNR == NR { if ($1 == "leaf") digest[$2] = $5; next }
    { seq = $2; sub(/.*\//, "", seq); sub(/\.bin$/, "", seq); if (digest[seq + 0] != $1) print seq + 0 }
' "$work/leaves" "$work/opened" >"$work/altered"
while read -r seq; do
    fault RECORD_CHANGED "記録 $seq の内容が変更されています。" "The content of record $seq was changed."
done <"$work/altered"
note "開示された記録 $(wc -l <"$work/opened" | tr -d ' ') 件" "disclosed records"

record() { printf '%s/records/%08d.bin' "$v" "$1"; }

# What record $1 says in the field $2, the first text of this name.
field() { tail -c +33 "$(record "$1")" | tr -d '\n' | tr ',{}' '\n\n\n' | sed -n "s/^\"$2\":\"\([^\"]*\)\"\$/\1/p" | head -n 1; }

# The numbers of the disclosed records of the kind $1, newest first.
disclosed() {
    awk -v kind="$1" '$1 == "leaf" && $4 == kind { print $2 }' "$work/leaves" | sort -rn | while read -r seq; do
        [ -f "$(record "$seq")" ] && ! grep -q "^$seq\$" "$work/altered" && echo "$seq"
    done
}

# A file with the Ed25519 key (Base64) of $1 for openssl.
key_file() {
    printf -- '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA%s\n-----END PUBLIC KEY-----\n' "$1" >"$work/key.pem"
    echo "$work/key.pem"
}

# Whether what both keys signed in the record $1 is signed by $3, whose signature is named $2.
vouched() {
    field "$1" "$2" | openssl base64 -d -A >"$work/signature" 2>/dev/null
    openssl pkeyutl -verify -pubin -inkey "$(key_file "$3")" -rawin -in "$work/statement" -sigfile "$work/signature" \
        >/dev/null 2>&1
}

# The keys that the bundle's own succeeded by exchanges on record, and the others that the log names.
openssl pkey -pubin -in $v/keys/ed25519.pem -outform DER 2>/dev/null | tail -c 32 | openssl base64 -A >"$work/ring"
echo >>"$work/ring"
: >"$work/others"
[ -z "$ed25519" ] || disclosed keys | while read -r seq; do
    field "$seq" statement | sed 's/\\n/\
/g' | sed '$d' >"$work/statement"
    old=$(sed -n 3p "$work/statement" | sed 's/^-$//') new=$(sed -n 5p "$work/statement")
    if [ "$(sed -n 2p "$work/statement")" = "$origin" ] && vouched "$seq" new.ed25519 "$new" &&
        { [ -z "$old" ] || vouched "$seq" old.ed25519 "$old"; }; then
        if grep -qxF -e "$new" "$work/ring"; then echo "$old" >>"$work/ring"; else echo "$new" >>"$work/others"; fi
    else
        fault KEYS "鍵の交代の記録 $seq が正しくありません。" "Record $seq of an exchange of keys is not good."
    fi
done

# Says whether the note $2 of the anchor $1 bears a signature of one of the keys.
judge() {
    for list in ring others; do
        while read -r key; do
            [ -n "$key" ] && noted_by "$2" "$(key_file "$key")" && { echo $list; return; }
        done <"$work/$list"
    done
}

# --- what was fixed outside ------------------------------------------------------------------------------------------

[ -s $v/anchors.txt ] || note "外部のアンカーはありません。店自身による書き換えは、この一式だけでは否定できません" \
    "there is no outside anchor: this bundle alone cannot show that the shop itself rewrote nothing"
# The time (UTC, seconds) that a time stamp bears.
stamped_at() {
    openssl ts -reply -in "$1" -text 2>/dev/null | sed -n 's/^Time stamp: //p' | awk '
        {
            month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", $1) + 2) / 3; split($3, clock, ":")
            year = $4; if (month < 3) { year--; month += 12 }
            days = 365 * year + int(year / 4) - int(year / 100) + int(year / 400) + int((153 * (month - 3) + 2) / 5) + $2 - 719469
            printf "%d", days * 86400 + clock[1] * 3600 + clock[2] * 60 + int(clock[3])
        }'
}

for seq in $(disclosed anchor); do field "$seq" note_sha256 | sed "s/\$/ $seq $(field "$seq" response_sha256)/"; done >"$work/anchored"
while read -r line; do
    name=${line%% *}
    case $line in
    [0-9][0-9][0-9]*' rfc3161 '* | [0-9][0-9][0-9]*' mail '*) ;;
    *) name=x ;;
    esac
    case $name in *[!0-9]*) fault ANCHOR "anchors.txt に読めない行があります。" "A line of anchors.txt is no anchor."; continue ;; esac
    rest=${line#* }
    kind=${rest%% *} stamped=$(echo "$line" | awk '{ print $4 }')
    file=$v/anchors/$name
    grep -v "^$(digest "$file.txt") [0-9]* $([ "$kind" = rfc3161 ] && digest "$file.tsr")\$" "$work/anchored" >"$work/left"
    mv "$work/left" "$work/anchored"
    if [ "$kind" = rfc3161 ]; then
        told=$(stamped_at "$file.tsr")
        if ! openssl ts -verify -data "$file.txt" -in "$file.tsr" -CAfile "$file.pem" -untrusted "$file.pem" \
            -attime "${told:-0}" >/dev/null 2>&1; then
            fault ANCHOR "タイムスタンプ $name の署名が正しくありません。" "The signature of time stamp $name is bad."
        elif [ "$told" != "$stamped" ]; then
            fault ANCHOR "タイムスタンプ $name の時刻が、anchors.txt に書かれたものと違います。" \
                "The time of time stamp $name is not what anchors.txt says."
        else
            when=$(openssl ts -reply -in "$file.tsr" -text 2>/dev/null | sed -n 's/^Time stamp: //p')
            note "タイムスタンプ $name（$when。認証局の証明書 $name.pem を信頼できるかは、別にお確かめください）" \
                "time stamp $name of $when; whether the authority of $name.pem is to be trusted is for you to judge"
        fi
    fi
    anchored=$(sealed_by "$file.txt")
    if [ "$(sed -n 1p "$file.txt")" != "$origin" ]; then
        fault OTHER_LOG "アンカー $name は、別のゲートウェイのものです。" "Anchor $name belongs to another gateway."
    elif [ "$anchored" -gt "$size" ]; then
        fault LOG_CUT "外部に固定された $anchored 件目までの記録が、ログ（$size 件）にありません。取り除かれています。" \
            "Anchor $name fixed $anchored records outside, but the log has $size: it was cut."
    elif [ "$anchored" -eq 0 ] || [ "$(root_of "$anchored")" != "$(stated "$file.txt")" ]; then
        fault LOG_REWRITTEN \
            "最初の $anchored 件が、外部に固定されたとき（アンカー $name）と違います。その後に書き換えられています。" \
            "The first $anchored records are not those that anchor $name fixed outside: the log was rewritten after that."
    else
        case ${ed25519:+$(judge "$name" "$file.txt")} in
        others) note "！ アンカー $name は、ログに登録された別の鍵で署名されています。別のゲートウェイの鍵か、店にお確かめください" \
            "! anchor $name is signed by another key of the log: ask whether it is that of a gateway that shares the database" ;;
        ring) ;;
        *) [ -z "$ed25519" ] || fault SIGNATURE "アンカー $name に、このゲートウェイの鍵による正しい署名がありません。" \
            "Anchor $name bears no good signature of this gateway's keys." ;;
        esac
        note "アンカー $name（$kind、$anchored 件）" "anchor $name ($kind) at $anchored records"
        [ "$kind" = rfc3161 ] ||
            note "アンカー $name はメールで送られました。受け取った方の写しと比べて、はじめて外部の証明になります" \
                "anchor $name was mailed: it proves something only when compared with the copy of whoever got it"
    fi
done <$v/anchors.txt
while read -r digest seq rest; do
    fault ANCHOR_MISSING "記録 $seq にあるアンカーが、この一式にないか、変更されています。" \
        "The anchor of record $seq is not in this bundle, or it was changed."
done <"$work/anchored"
logged=$(awk '$4 == "anchor"' "$work/leaves" | wc -l | tr -d ' ') given=$(wc -l <$v/anchors.txt | tr -d ' ')
[ "$logged" -eq "$given" ] || fault ANCHOR_MISSING \
    "ログにはアンカーが $logged 件ありますが、この一式には $given 件あります。" \
    "The log tells of $logged anchors, but there are $given in this bundle."

# --- deletions ------------------------------------------------------------------------------------------------------

: >"$work/covered"
awk '$1 == "leaf" && $4 == "deletion" { print $2 }' "$work/leaves" | while read -r seq; do
    file=$(record "$seq")
    [ -f "$file" ] || continue
    rule=$(tail -c +33 "$file" | tr ',' '\n' | sed -n 's/.*"rule":"\([a-z]*\)".*/\1/p' | head -n 1)
    { tail -c +33 "$file" | tr -d ' \n'; echo; } | sed -n 's/.*"records":\[\(\[[^"]*\]\)\].*/\1/p' |
        sed 's/\],\[/\n/g' | tr -d '[]' | tr ',' ' ' | while read -r first last; do
        echo "$first $last ${rule:-?} $seq"
    done
done >"$work/ranges"
awk -v size="$size" -v spans="$work/covered" '
    FILENAME == ARGV[1] {
        to = $2 + 0 < $4 + 0 ? $2 + 0 : $4 - 1  # a deletion covers what came before it alone
        if (to >= size) to = size - 1
        for (n = $1 + 0; n <= to; n++) if (!(n in rule)) { rule[n] = $3; print n, $4 >spans }
        next
    }
    $1 == "gone" { if ($2 + 0 in rule) count[rule[$2 + 0]]++; else print "bare", $2 }
    END { for (rule_ in count) print "rule", rule_, count[rule_] }
' "$work/ranges" "$work/leaves" >"$work/deleted"
while read -r what name count; do
    case $what$name in
    bare*) fault DELETED_WITHOUT_RECORD "記録 $name の内容が、削除の記録なしに除かれています。" \
        "The content of record $name is left out, and no record of a deletion covers it." ;;
    ruleretention) note "削除済みの記録 $count 件（保存期間の満了。証明は残る）" "$count records deleted (end of retention); proofs stay" ;;
    ruleerasure) note "削除済みの記録 $count 件（本人の請求。証明は残る）" "$count records deleted (request); proofs stay" ;;
    rule*) note "削除済みの記録 $count 件（$name）" "$count records deleted ($name); proofs stay" ;;
    esac
done <"$work/deleted"

# --- what was handed over --------------------------------------------------------------------------------------------

export=$(awk '$1 == "export" { print $2; exit }' $v/exhibits.txt 2>/dev/null)
case ${export:-x} in *[!0-9]*) export= ;; esac
told=
if [ -n "$export" ] && { [ "$export" -ge "$size" ] || [ "$export" -ge "$sealed" ]; }; then
    fault LOG_CUT "この一式の作成を記した記録 $export がログにありません。末尾が切り取られています。" \
        "Record $export, which tells of this bundle's making, is not in the log: its end was cut off."
elif [ -n "$export" ] && [ -f "$(record "$export")" ] &&
    grep -q "^leaf $export [^ ]* export " "$work/leaves" && ! grep -q "^$export\$" "$work/altered"; then
    told=$(record "$export")
else
    fault EXPORT "この一式の作成を記した記録がありません。" "The record that tells of this bundle's making is missing."
fi
if [ -n "$told" ]; then
    listed=$(sed 1d $v/exhibits.txt | openssl dgst -sha256 -r | cut -c 1-64)
    tail -c +33 "$told" | grep -q "\"list\":\"$listed\"" ||
        fault TABLE_CHANGED "verify/exhibits.txt が、作成時にログへ記されたものと違います。書証が加えられたか除かれています。" \
            "verify/exhibits.txt is not what was logged when the bundle was made: exhibits were added or removed."
    { tail -c +33 "$told" | tr -d '\n'; echo; } | sed 's/.*"files":{\([^}]*\)}.*/\1/' | tr ',' '\n' |
        sed 's/^"\([^"]*\)":"\([0-9a-f]*\)"$/\1 \2/' >"$work/files"
    while read -r name expected; do
        [ "$(digest "data/$name")" = "$expected" ] && continue
        case $name in
        verify/keys/*) fault KEY_CHANGED "$name が、作成時にログへ記されたものと違います。内容が変更されています。" \
            "$name is not what was logged when the bundle was made: it was changed." ;;
        *.csv) fault TABLE_CHANGED "$name が、作成時にログへ記されたものと違います。行が変更されています。" \
            "$name is not what was logged when the bundle was made: rows were changed." ;;
        *) fault TABLE_CHANGED "$name が、作成時にログへ記されたものと違います。内容が変更されています。" \
            "$name is not what was logged when the bundle was made: it was changed." ;;
        esac
    done <"$work/files"
fi

touch "$work/files"
awk 'NF == 3 && $1 ~ /^[0-9]+$/ && $1 !~ /^0./ && length($1) < 16 && $2 ~ /^[a-z]+-[0-9]+$/ && $3 ~ /^([0-9a-f]+|-)$/' \
    $v/exhibits.txt >"$work/exhibits"
while read -r seq name expected; do
    grep -q "  data/03_exhibits/$name[.-]" "$work/actual" ||
        fault EXHIBIT_MISSING "書証 $name がありません。" "The paper of exhibit $name is missing."
    [ "$expected" = - ] && continue
    actual=$(sed -n "s,^\([0-9a-f]*\)  data/eml/$name\.eml\$,\1,p" "$work/actual")
    if [ -z "$actual" ]; then
        fault MAIL_MISSING "書証 $name（記録 $seq）の原本 data/eml/$name.eml が取り除かれています。" \
            "The original of exhibit $name (record $seq) was removed: data/eml/$name.eml."
    elif [ "$actual" != "$expected" ]; then
        other=$(awk -v digest="$actual" '$3 == digest { print $2; exit }' "$work/exhibits")
        if [ -n "$other" ]; then
            fault MAIL_SWAPPED "書証 $name の原本が、$other のものと入れ替えられています。" \
                "The original of exhibit $name was swapped with that of $other."
        else
            fault MAIL_CHANGED "書証 $name（記録 $seq）の原本 data/eml/$name.eml が変更されています。" \
                "The original of exhibit $name (record $seq) was changed: data/eml/$name.eml."
        fi
    fi
    if ! grep -q "^leaf $seq [^ ]* mail\.[a-z]* " "$work/leaves" || [ ! -f "$(record "$seq")" ] || ! tail -c +33 "$(record "$seq")" | grep -q "\"sha256\":\"$expected\""; then
        fault RECORD_CHANGED "書証 $name の記録 $seq が、その原本を証明していません。" \
            "Record $seq does not vouch for the original of exhibit $name."
    fi
done <"$work/exhibits"
awk '
    FILENAME == ARGV[1] { paper[$2] = 1; if ($3 != "-") mail[$2] = 1; next }
    FILENAME == ARGV[2] { fixed["data/" $1] = 1; next }
    $0 in fixed || $0 !~ /^data\// { next }
    /^data\/(00_readme_(ja|en)\.txt|0[12]_[a-z_]+\.(pdf|docx)|12_police_memo\.docx)$/ { next }
    /^data\/verify\/(tejunsho\.txt|verify\.(py|sh)|checkpoint\.(txt|ecdsa)|consistency\.txt|leaves\.txt)$/ { next }
    /^data\/verify\/(anchors\.txt|exhibits\.txt|anchors\/[0-9]+\.(txt|tsq|tsr|pem)|(records|proofs)\/[0-9]+\.(bin|txt))$/ { next }
    {
        base = $0; sub(/.*\//, "", base); sub(/\.(eml|pdf)$/, "", base)
        if ($0 ~ /^data\/eml\/[a-z]+-[0-9]+\.eml$/ && base in mail) next
        if ($0 ~ /^data\/03_exhibits\/[a-z]+-[0-9]+-[0-9]+\.pdf$/) sub(/-[0-9]+$/, "", base)
        if ($0 ~ /^data\/03_exhibits\/[a-z0-9-]+\.pdf$/ && base in paper) next
        print
    }
' "$work/exhibits" "$work/files" "$work/there" >"$work/inserted"
while read -r name; do
    fault MAIL_INSERTED "$name は、この一式の作成時にはなかったものです。挿入されています。" \
        "$name was not part of the bundle when it was made: it was inserted."
done <"$work/inserted"
exhibits=$(wc -l <"$work/exhibits" | tr -d ' ')
note "書証 $exhibits 件の原本" "the originals of the exhibits"

# The table of completeness adds up, and tells as many messages as there are in the log.
if [ -n "$told" ] && ! grep -q TABLE_CHANGED "$work/faults"; then
    counted=$(tail -c +33 "$told" | tr ',{}' '\n\n\n' | sed -n 's/^"counted":\([0-9]*\)$/\1/p')
    sums=$(awk -v counted="${counted:-0}" -v exhibits="$exhibits" '
        FILENAME == ARGV[1] { by[$1] = $2; next }
        FILENAME == ARGV[2] {
            if (($4 != "mail.in" && $4 != "mail.out") || $2 + 0 >= counted) next
            mail++
            if ($1 != "gone") next
            gone++
            if (($2 in by) && by[$2] + 0 < counted) surely++
            next
        }
        $1 != "ログ全体" { next }
        { for (i = 4; i <= 8; i++) if ($i !~ /^[0-9]+$/) bad = 1 }
        $4 != $5 + $6 + $7 + $8 { bad = 1 }
        $2 == "合計" { for (i = 4; i <= 8; i++) total[i] = $i; seen++; next }
        { for (i = 4; i <= 8; i++) months[i] += $i }
        END {
            for (i = 4; i <= 8; i++) if (total[i] + 0 != months[i] + 0) bad = 1
            good = !bad && seen == 1 && total[4] == mail + 0 && total[5] == exhibits + 0
            good = good && surely + 0 <= total[8] && total[8] <= gone + 0
            printf "%s %d %d %d %d %d\n", good ? "good" : "bad", total[4], total[5], total[6], total[7], total[8]
        }
    ' "$work/covered" "$work/leaves" FS=, data/06_completeness.csv)
    set -- $sums
    if [ "$1" = good ]; then
        note "ログのメール $2 件＝書証 $3 件＋除外 $4 件＋対象外 $5 件＋削除済み $6 件" \
            "$2 messages of the log = $3 exhibits + $4 withheld + $5 not concerned + $6 deleted"
    else
        fault INCOMPLETE "06_completeness.csv の件数が、ログや書証の件数と合いません。" \
            "06_completeness.csv does not add up with the log and the exhibits."
    fi
fi

if [ -s "$work/faults" ]; then exit 1; fi
printf '✓ すべて、記録されたときのままです。\n    Everything is as it was recorded.\n'
