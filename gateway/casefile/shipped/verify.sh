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

cat manifest-sha256.txt tagmanifest-sha256.txt 2>/dev/null | sort -k 2 >"$work/listed"
find . -type f | sed 's,^\./,,' | grep -v '^tagmanifest-sha256\.txt$' | sort >"$work/there"
digests <"$work/there" | sort -k 2 >"$work/actual"
awk -v OFS='\t' '
    { digest = $1; name = substr($0, 67) }
    FNR == NR { listed[name] = digest; next }
    { there[name] = 1 }
    !(name in listed) { print "ADDED", name; next }
    listed[name] != digest { print "CHANGED", name }
    END { for (name in listed) if (!(name in there)) print "MISSING", name }
' "$work/listed" "$work/actual" | sort >"$work/differences"
while IFS='	' read -r what name; do
    case $what in
    ADDED) fault FILE_ADDED "$name が付け加えられています。" "$name was added." ;;
    CHANGED) fault FILE_CHANGED "$name が変更されています。" "$name was changed." ;;
    MISSING) fault FILE_MISSING "$name がありません。" "$name is missing." ;;
    esac
done <"$work/differences"

if openssl dgst -sha256 -verify $v/keys/ecdsa.pem -signature signature/manifest-sha256.txt.ecdsa \
    manifest-sha256.txt >/dev/null 2>&1; then
    note "ファイル $(wc -l <"$work/listed" | tr -d ' ') 個と一覧の署名" "files and the signature of their list"
else
    fault MANIFEST_SIGNATURE \
        "ファイル一覧の署名が正しくありません。作成後に、ファイルか一覧が変更されています。" \
        "The signature of the list of files is not good: files or the list were changed after it was made."
fi

# --- the log ---------------------------------------------------------------------------------------------------------

# Columns: kind of line, number, time, kind of record, hash.
awk '
    /^sekisho\/1 [0-9]+ [^ ]+ [^ ]+ [0-9a-f]+$/ && NF == 5 && length($5) == 64 { print "leaf", $2, $3, $4, $5; next }
    /^deleted [0-9]+ [^ ]+ [^ ]+ [0-9a-f]+$/ && NF == 5 && length($5) == 64 { print "gone", $2, $3, $4, $5; next }
    { print "bad", NR }
' $v/leaves.txt >"$work/leaves"
awk '
    $1 == "bad" { print "LEAF_CHANGED", $2; next }
    { if ($2 in seen) twice = twice == "" ? $2 : twice; seen[$2] = 1; if ($2 + 0 > last) last = $2 + 0 }
    NR > 1 && $2 + 0 < before && swapped == "" { swapped = before }
    { before = $2 + 0 }
    END {
        for (n = 0; n <= last; n++) if (!(n in seen) && missing++ < 5) print "RECORD_MISSING", n
        if (twice != "") print "RECORD_INSERTED", twice
        if (swapped != "") print "RECORDS_SWAPPED", swapped
    }
' "$work/leaves" >"$work/order"
while read -r what number; do
    case $what in
    LEAF_CHANGED) fault $what "ログの $number 行目を読めません。" "Line $number of the log is no leaf." ;;
    RECORD_MISSING) fault $what "記録 $number が取り除かれています。" "Record $number was taken out of the log." ;;
    RECORD_INSERTED)
        fault $what "記録 $number が二つあります。一方は後から挿入されたものです。" \
            "There are two records $number: one was inserted." ;;
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

origin=$(sed -n 1p $v/checkpoint.txt)
sealed=$(sed -n 2p $v/checkpoint.txt)
ours=$(sed 's/+.*//' $v/keys/verifier.txt)
if [ "$origin" != "$ours" ]; then
    fault OTHER_LOG "チェックポイントは、別のゲートウェイ（$origin）のものです。この一式のログは $ours です。" \
        "The checkpoint belongs to another gateway, $origin; the log of this bundle is $ours."
else
    sed '/^$/,$d' $v/checkpoint.txt >"$work/body"
    # the signature is what follows the four bytes that name the key
    sed -n '/^$/,$p' $v/checkpoint.txt | awk -v name="$ours" '$2 == name { print $3 }' |
        openssl base64 -d -A 2>/dev/null | tail -c 64 >"$work/signature"
    if openssl dgst -sha256 -verify $v/keys/ecdsa.pem -signature $v/checkpoint.ecdsa $v/checkpoint.txt >/dev/null 2>&1 &&
        { openssl pkeyutl -verify -pubin -inkey $v/keys/ed25519.pem -rawin -in "$work/body" \
            -sigfile "$work/signature" >/dev/null 2>&1 || ! openssl pkeyutl -help 2>&1 | grep -q rawin; }; then
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

# --- what was fixed outside ------------------------------------------------------------------------------------------

[ -s $v/anchors.txt ] || note "外部のアンカーはありません。店自身による書き換えは、この一式だけでは否定できません" \
    "there is no outside anchor: this bundle alone cannot show that the shop itself rewrote nothing"
while read -r name kind anchored stamped rest; do
    file=$v/anchors/$name
    if [ "$kind" = rfc3161 ] && ! openssl ts -verify -data "$file.txt" -in "$file.tsr" -CAfile "$file.pem" \
        -untrusted "$file.pem" -attime "$stamped" >/dev/null 2>&1; then
        fault ANCHOR "タイムスタンプ $name の署名が正しくありません。" "The signature of time stamp $name is bad."
    fi
    anchored=$(sed -n 2p "$file.txt")
    if [ "$(sed -n 1p "$file.txt")" != "$origin" ]; then
        fault OTHER_LOG "アンカー $name は、別のゲートウェイのものです。" "Anchor $name belongs to another gateway."
    elif [ "$anchored" -gt "$size" ]; then
        fault LOG_CUT "外部に固定された $anchored 件目までの記録が、ログ（$size 件）にありません。取り除かれています。" \
            "Anchor $name fixed $anchored records outside, but the log has $size: it was cut."
    elif [ "$(root_of "$anchored")" != "$(stated "$file.txt")" ]; then
        fault LOG_REWRITTEN \
            "最初の $anchored 件が、外部に固定されたとき（アンカー $name）と違います。その後に書き換えられています。" \
            "The first $anchored records are not those that anchor $name fixed outside: the log was rewritten after that."
    else
        note "アンカー $name（$kind、$anchored 件）" "anchor $name ($kind) at $anchored records"
    fi
done <$v/anchors.txt

# --- disclosed records, deletions ------------------------------------------------------------------------------------

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
: >"$work/ranges"
awk '$1 == "leaf" && $4 == "deletion" { print $2 }' "$work/leaves" | while read -r seq; do
    file=$(record "$seq")
    [ -f "$file" ] || continue
    rule=$(tail -c +33 "$file" | tr ',' '\n' | sed -n 's/.*"rule":"\([a-z]*\)".*/\1/p' | head -n 1)
    { tail -c +33 "$file" | tr -d ' \n'; echo; } | sed -n 's/.*"records":\[\(\[[^"]*\]\)\].*/\1/p' |
        sed 's/\],\[/\n/g' | tr -d '[]' | tr ',' ' ' | while read -r first last; do
        echo "$first $last ${rule:-?}"
    done
done >"$work/ranges"
awk '
    FILENAME == ARGV[1] { first[++n] = $1; last[n] = $2; rule[n] = $3; next }
    $1 == "gone" {
        covered = ""
        for (i = 1; i <= n; i++) if (first[i] <= $2 + 0 && $2 + 0 <= last[i]) covered = rule[i]
        if (covered == "") print "bare", $2; else count[covered]++
    }
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
        [ "$(digest "data/$name")" = "$expected" ] ||
            fault TABLE_CHANGED "$name が、作成時にログへ記されたものと違います。行が変更されています。" \
                "$name is not what was logged when the bundle was made: rows were changed."
    done <"$work/files"
fi

awk 'NF == 3 && $1 ~ /^[0-9]+$/' $v/exhibits.txt >"$work/exhibits"
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
    if [ ! -f "$(record "$seq")" ] || ! tail -c +33 "$(record "$seq")" | grep -q "\"sha256\":\"$expected\""; then
        fault RECORD_CHANGED "書証 $name の記録 $seq が、その原本を証明していません。" \
            "Record $seq does not vouch for the original of exhibit $name."
    fi
done <"$work/exhibits"
awk '
    FNR == NR { known[$2] = 1; next }
    {
        name = substr($0, 67)
        if (name !~ /^data\/(eml|03_exhibits)\//) next
        base = name; sub(/.*\//, "", base); sub(/\.(eml|pdf)$/, "", base)
        if (base ~ /^[a-z]+-[0-9]+-[0-9]+$/) sub(/-[0-9]+$/, "", base)
        if (!(base in known)) print name
    }
' "$work/exhibits" "$work/actual" >"$work/inserted"
while read -r name; do
    fault MAIL_INSERTED "$name は、この一式の作成時にはなかったものです。挿入されています。" \
        "$name was not part of the bundle when it was made: it was inserted."
done <"$work/inserted"
note "書証 $(wc -l <"$work/exhibits" | tr -d ' ') 件の原本" "the originals of the exhibits"

if [ -s "$work/faults" ]; then exit 1; fi
printf '✓ すべて、記録されたときのままです。\n    Everything is as it was recorded.\n'
