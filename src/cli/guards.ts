/** Every guard by name, so that --accept can refuse a typo. */
export const GUARDS = [
  ..."aof-rewrite-failed bind-absent-address bind-everywhere blast-radius blinding-rename certificate cluster disk-too-small".split(
    " ",
  ),
  ..."evicts-stored-keys firewall-empty firewall-open impact last-save-failed maxmemory-above-host maxmemory-below-used memory-only-users older-state oldest-backup".split(
    " ",
  ),
  ..."other-firewall other-password other-ports persistence-differs primary-without-persistence privileged-port replica-rename replication replication-needs-tls rules-of-others".split(
    " ",
  ),
  ..."sentinel sentinel-rename server-stopped split-replication-group ssh-peer-only stop-timeout ufw-ipv6-off unknown-data unknown-setting unmeasured-version unsettled-run weak-password".split(
    " ",
  ),
];
