# shellcheck shell=dash
# How the transaction in $d stands, in frames: OWN_PARTS of its own words, FOREIGN_PARTS of what others may
# have said.
. ./frames.sh
for part in $OWN_PARTS; do
  section "$part"
  if [ -f "$d/$part" ]; then
    read -r line <"$d/$part"
    printf '%s\n' "$line"
  fi
done
for part in $FOREIGN_PARTS; do
  section "$part"
  if [ -s "$d/$part" ]; then head -c 65536 "$d/$part" | sed 's/^/>/'; fi
done
section end
