/**
 * The folders of src, ground first: what stands in one may import what stands in it and in those before it, never in one
 * behind it. The files of src itself start the program and stand above all.
 */
export const ROOMS = {
  lib: "what every room rests on: errors, secrets, YAML, templates, words",
  vault: "Ansible Vault's format, and where its passwords come from",
  shell: "all the shell that runs on hosts or starts ssh here, as .sh files, and the one quoter",
  record: "what a run says: the record, its schema, safe to print",
  connection: "SSH: host keys, login, sudo, one script on one channel",
  inventory: "hosts, groups and variables as Ansible reads them",
  state: "what the controller keeps: passwords, the CA, who changed which host",
  facts: "one script reads the host; a parser for each fact",
  redis: "redis.conf, ACLs, versions; the server that the facts tell of",
  firewall: "ufw's, iptables' and nft's rules; what they do to a packet",
  pki: "certificates, keys, the CA",
  verify: "the controls, and what a check is",
  resources: "one file a kind: how it differs, what it does, how it is undone and proved",
  tasks: "one file a task: what should be on a host, and its checks",
  plan: "wanted resources and facts in, changes and who would notice out",
  audit: "the controls that no task owns, looked at on any host",
  playbook: "plays, conditions and checked parameters of a playbook",
  transaction: "a plan as the program that the host runs, its confirmation and its way back",
  outside: "a host as other hosts and the controller see it",
  lint: "what redis.conf and ACL files tell by themselves",
  adopt: "what a playbook can say of a host as it is",
  waivers: "failures that are accepted for a time",
  history: "earlier runs: kept, compared, merged",
  report: "records as text, HTML, JUnit, SARIF, Markdown and metrics",
  run: "a host's way: connect, observe, plan, change, tell",
  fleet: "many hosts: batches, canary, groups, blast radius",
  commands: "the verbs, one file each",
  cli: "arguments and options; how a run ends",
} as const satisfies Record<string, string>;
