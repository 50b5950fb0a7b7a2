# shellcheck shell=dash
# What the plan relied on beside files, a line each, as it is now.
facts() {
  systemctl show "$UNIT" -p "$UNIT_FACTS" | sed 's/^/unit /'
  if [ -n "$ASK_VERSION" ]; then echo "version $(ask_version)"; fi
  # an sshd that cannot say is no change
  if [ -n "$FIREWALL" ]; then
    ports=$(sshd -T 2>/dev/null | sed -n 's/^port /sshd port /p')
    : "${ports:=$(grep '^sshd port ' "$d/expected-facts")}"
    if [ -n "$ports" ]; then printf '%s\n' "$ports"; fi
  fi
  # Users may be many: as much as the plan looks at.
  if [ -s "$d/questions" ]; then
    login old
    converse "$(cat "$d/questions")" 8388608 | sed -e 's/\r//g' -e "$MASK" | sed -n \
      -e '1,/^--$/{s/^\(run_id\|role\|master_host\|master_port\):/info \1 /p;/^user /p;d;}' \
      -e 'N;s/\n/ /;s/^/running /p'
  fi
}
# of the installed server, which need not be root's
ask_version() {
  dropped 10 "$RUNUSER:$RUNGROUP" --clear-groups "$BIN" --version 2>/dev/null | hear 11 1000
}
fact_names() {
  sed -e 's/^user \([^ ]*\).*/user \1 of the running server/;t' \
    -e 's/^\(info\|running\) \([^ ]*\).*/\2 of the running server/;t' \
    -e 's/^unit \([^=]*\).*/\1 of the unit/;t' -e "s/^version .*/the installed server's version/;t" \
    -e "s/^sshd .*/sshd's port/" |
    sort -u | head -n 5 | paste -sd, | sed 's/,/, /g'
}
