/**
 * Single changes to a hardened host, each of which verify has to notice by the right control; and how a host is brought
 * back after each.
 */
import { readFileSync } from "node:fs";
import { type LabHost, startHost } from "../../test/integration/support/lab.ts";
import { onHost } from "../../test/integration/support/observe.ts";
import { notPassed, openProject, type Project } from "../../test/integration/support/project.ts";
import type { Measured } from "../faults/figure.ts";

export interface Scene {
  host: LabHost;
  project: Project;
}

export interface Mutation {
  /** What was done to the host, in a user's words. */
  title: string;
  /** The control that has to fail. */
  control: string;
  change: (scene: Scene) => Promise<unknown>;
  undo: (scene: Scene) => Promise<unknown>;
}

const CONF = "/etc/redis/redis.conf";
const ACL = "/etc/redis/users.acl";
const TLS = "/etc/redis/tls";
const DROP_IN = "/etc/systemd/system/redis-server.service.d/redkeep.conf";
const KEPT = "/root/kept";

/** On the running server alone, as somebody at a prompt does it. */
export function running(control: string, setting: string, value: string): Mutation {
  let before = "";
  return {
    title: `CONFIG SET ${setting} ${value === "" ? '""' : value}`,
    control,
    change: async ({ host, project }) => {
      before = await project.configGet(host, setting);
      await mustBeOk(project.config(host, `SET ${setting} ${quoted(value)}`));
    },
    undo: async ({ host, project }) => mustBeOk(project.config(host, `SET ${setting} ${quoted(before)}`)),
  };
}

/** A shell command that changes one file, which is put back with owner and mode afterwards. */
export function inFile(control: string, title: string, path: string, command: string): Mutation {
  return {
    title,
    control,
    change: ({ host }) => onHost(host, `cp -a ${path} ${KEPT}; ${command}`),
    undo: ({ host }) => onHost(host, `rm -rf ${path}; mv ${KEPT} ${path}`),
  };
}

const line = (control: string, expression: string, title: string): Mutation =>
  inFile(control, `redis.conf: ${title}`, CONF, `sed -i '${expression}' ${CONF}`);

/** Of the running server alone: what the ACL file says is loaded again afterwards. */
export function acl(control: string, command: string): Mutation {
  return {
    title: `ACL ${command}`,
    control,
    change: ({ host, project }) => mustBeOk(project.asAdmin(host, `ACL ${command}`)),
    undo: ({ host, project }) => mustBeOk(project.asAdmin(host, "ACL LOAD")),
  };
}

export function shell(control: string, title: string, change: string, undo: string): Mutation {
  return {
    title,
    control,
    change: ({ host }) => onHost(host, change),
    undo: ({ host }) => onHost(host, undo),
  };
}

/** A drop-in of somebody else's, read by systemd or not, and without a restart. */
const unit = (control: string, text: string, reload = "systemctl daemon-reload"): Mutation =>
  shell(
    control,
    `a drop-in with ${text}${reload === "" ? ", never loaded" : ""}`,
    `printf '[Service]\\n${text}\\n' >/etc/systemd/system/redis-server.service.d/zz-local.conf; ${reload}`,
    "rm /etc/systemd/system/redis-server.service.d/zz-local.conf; systemctl daemon-reload",
  );

export const ufw = (control: string, rule: string, undo = `delete ${rule}`): Mutation =>
  shell(control, `ufw ${rule}`, `ufw ${rule}`, `ufw ${undo}`);

/** Another certificate for the key on disk, signed by the fleet's CA; Redis serves it after `load`. */
export const certificate = (
  control: string,
  title: string,
  options: string,
  extensions: string,
): Mutation => ({
  title,
  control,
  change: async ({ host, project }) => {
    const pki = project.path(".redkeep/pki");
    const material = `${readFileSync(`${pki}/ca.crt`, "utf8")}${readFileSync(`${pki}/ca.key`, "utf8")}`;
    await onHost(
      host,
      `cp -a ${TLS} ${KEPT}; cat >/tmp/ca.pem; printf '${extensions}' >/tmp/ext
       openssl req -new -key ${TLS}/redkeep-server.key -subj /CN=redis -out /tmp/csr
       openssl x509 -req -in /tmp/csr -CA /tmp/ca.pem -CAkey /tmp/ca.pem -set_serial 77 -extfile /tmp/ext ${options} -out ${TLS}/redkeep-server.crt
       rm /tmp/ca.pem`,
      material,
    );
    await mustBeOk(project.config(host, `SET tls-cert-file ${TLS}/redkeep-server.crt`));
  },
  undo: async ({ host, project }) => {
    await onHost(host, `rm -rf ${TLS}; mv ${KEPT} ${TLS}`);
    await mustBeOk(project.config(host, `SET tls-cert-file ${TLS}/redkeep-server.crt`));
  },
});

const NAMES = "DNS:localhost,IP:127.0.0.1,IP:::1";

export const MUTATIONS: readonly Mutation[] = [
  running("RK-NET-01", "bind", "* -::*"),
  line("RK-NET-01", "s/^bind .*/bind * -::*/", "bind on every address, not loaded"),
  running("RK-NET-02", "protected-mode", "no"),
  line("RK-NET-02", "s/^protected-mode .*/protected-mode no/", "protected-mode no, not loaded"),
  running("RK-TLS-01", "port", "6379"),
  line("RK-TLS-01", "s/^port .*/port 6379/", "a plain port, not loaded"),
  running("RK-TLS-01", "tls-port", "6390"),
  running("RK-TLS-03", "tls-protocols", "TLSv1.1 TLSv1.2 TLSv1.3"),
  running("RK-TLS-03", "tls-ciphers", "DEFAULT"),
  running("RK-TLS-03", "tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
  running("RK-TLS-04", "tls-auth-clients", "no"),
  line(
    "RK-TLS-04",
    "s/^tls-auth-clients .*/tls-auth-clients optional/",
    "tls-auth-clients optional, not loaded",
  ),
  running("RK-LIM-01", "maxmemory", "0"),
  line("RK-LIM-01", "/^maxmemory /d", "without maxmemory, not loaded"),
  running("RK-LIM-02", "maxmemory-policy", "allkeys-lru"),
  running("RK-LIM-03", "maxclients", "50"),
  running("RK-LIM-04", "lazyfree-lazy-eviction", "no"),
  running("RK-PER-01", "save", ""),
  running("RK-PER-01", "appendonly", "yes"),
  line("RK-PER-01", "$a appendonly yes", "appendonly yes, not loaded"),
  running("RK-PER-03", "stop-writes-on-bgsave-error", "no"),
  line("RK-PER-03", "$a rdbchecksum no", "rdbchecksum no, not loaded"),
  line("RK-CMD-01", "$a enable-debug-command yes", "enable-debug-command yes, not loaded"),
  line("RK-CMD-03", "/^rename-command FLUSHALL/d", "FLUSHALL is not taken away any more, not loaded"),
  line("RK-ACL-03", "$a requirepass of-somebody-1234567", "requirepass beside the ACL file, not loaded"),
  line("RK-ACL-03", "$a user evil on nopass ~* +@all", "a user line beside the ACL file, not loaded"),
  line("RK-ACL-03", "/^aclfile/d", "without its ACL file, not loaded"),
  line("RK-SYS-04", "s#^dir .*#dir /tmp#", "dir /tmp, not loaded"),
  line("RK-NET-08", "s/^unixsocketperm .*/unixsocketperm 777/", "a socket for everybody, not loaded"),
  inFile("RK-ACL-04", "users.acl: a comment", ACL, `echo '# mine' >>${ACL}`),
  inFile("RK-ACL-04", "users.acl: without the default user", ACL, `sed -i '/^user default/d' ${ACL}`),
  inFile("RK-ACL-04", "users.acl: a line that is none", ACL, `echo 'user app on +nonsense' >>${ACL}`),
  inFile(
    "RK-ACL-09",
    "users.acl: a user that was never loaded",
    ACL,
    `echo 'user evil on nopass ~* +@all' >>${ACL}`,
  ),
  inFile(
    "RK-ACL-09",
    "users.acl: a password in clear text",
    ACL,
    `sed -i 's/^user metrics .*/user metrics on >in-clear-text-123456 +ping/' ${ACL}`,
  ),
  acl("RK-ACL-01", "SETUSER default on nopass"),
  acl("RK-ACL-01", "SETUSER default on '>password-of-an-intruder'"),
  acl("RK-ACL-02", "SETUSER app nopass"),
  acl("RK-ACL-05", "SETUSER app +flushdb"),
  acl("RK-ACL-05", "SETUSER app +@all"),
  acl("RK-ACL-06", "SETUSER app '~*'"),
  acl("RK-ACL-06", "SETUSER app '&*'"),
  acl("RK-ACL-08", "SETUSER evil on nopass '~*' +@all"),
  acl("RK-ACL-08", "SETUSER metrics +get '~*'"),
  acl("RK-ACL-08", "DELUSER metrics"),
  acl("RK-ACL-09", "SETUSER app '>one-more-password-1234'"),
  shell("RK-SYS-03", "users.acl 0644", `chmod 644 ${ACL}`, `chmod 640 ${ACL}`),
  shell("RK-SYS-03", "users.acl of the service user", `chown redis ${ACL}`, `chown root ${ACL}`),
  shell("RK-SYS-03", "redis.conf 0644", `chmod 644 ${CONF}`, `chmod 640 ${CONF}`),
  shell("RK-SYS-03", "redis.conf of the service user", `chown redis ${CONF}`, `chown root ${CONF}`),
  shell("RK-SYS-03", "/etc/redis 0777", "chmod 777 /etc/redis", "chmod 750 /etc/redis"),
  shell("RK-SYS-04", "the data directory 0755", "chmod 755 /var/lib/redis", "chmod 750 /var/lib/redis"),
  shell("RK-SYS-04", "a dump 0644", "chmod 644 /var/lib/redis/dump.rdb", "chmod 640 /var/lib/redis/dump.rdb"),
  shell("RK-NET-08", "the socket 0777", "chmod 777 /run/redis/redis.sock", "chmod 700 /run/redis/redis.sock"),
  shell(
    "RK-TLS-07",
    "the private key 0644",
    `chmod 644 ${TLS}/redkeep-server.key`,
    `chmod 640 ${TLS}/redkeep-server.key`,
  ),
  {
    title: "the CA's key on the host",
    control: "RK-TLS-07",
    change: async ({ host, project }) => {
      await onHost(
        host,
        `cat >${TLS}/ca.key; chmod 600 ${TLS}/ca.key`,
        readFileSync(project.path(".redkeep/pki/ca.key"), "utf8"),
      );
    },
    undo: ({ host }) => onHost(host, `rm ${TLS}/ca.key`),
  },
  inFile(
    "RK-TLS-05",
    "another private key on disk: the next start fails",
    `${TLS}/redkeep-server.key`,
    `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 >${TLS}/redkeep-server.key`,
  ),
  inFile(
    "RK-TLS-06",
    "another certificate on disk than the one served",
    `${TLS}/redkeep-server.crt`,
    `openssl req -x509 -key ${TLS}/redkeep-server.key -subj /CN=other -days 900 -addext subjectAltName=${NAMES} >${TLS}/redkeep-server.crt`,
  ),
  certificate(
    "RK-TLS-05",
    "a certificate without the host's address",
    "-days 400",
    `subjectAltName=DNS:other\\nextendedKeyUsage=serverAuth,clientAuth\\n`,
  ),
  certificate(
    "RK-TLS-06",
    "a certificate that ends in ten days",
    "-days 10",
    `subjectAltName=${NAMES}\\nextendedKeyUsage=serverAuth,clientAuth\\n`,
  ),
  shell(
    "RK-SYS-04",
    "the umask taken out of the drop-in",
    `cp -a ${DROP_IN} ${KEPT}; sed -i '/^UMask/d' ${DROP_IN}; systemctl daemon-reload`,
    `mv ${KEPT} ${DROP_IN}; systemctl daemon-reload`,
  ),
  unit("RK-SYS-02", "ProtectSystem=no"),
  unit("RK-SYS-02", "NoNewPrivileges=no", ""),
  unit("RK-SYS-01", "User=root"),
  unit("RK-SYS-07", "LimitNOFILE=1024"),
  shell(
    "RK-SYS-01",
    "a login shell for the service user",
    "usermod -s /bin/bash redis",
    "usermod -s /usr/sbin/nologin redis",
  ),
  shell("RK-SYS-01", "sudo for the service user", "usermod -aG sudo redis", "gpasswd -d redis sudo"),
  shell(
    "RK-SYS-01",
    "a sudoers line for the service user",
    "echo 'redis ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/redis",
    "rm /etc/sudoers.d/redis",
  ),
  ufw("RK-NET-04", "--force disable", "--force enable"),
  ufw("RK-NET-04", "allow 6380/tcp"),
  ufw("RK-NET-04", "insert 1 allow 6380/tcp", "delete allow 6380/tcp"),
  ufw("RK-NET-04", "allow from 192.0.2.0/24 to any port 6380 proto tcp"),
  ufw("RK-NET-04", "default allow incoming", "default deny incoming"),
  ufw("RK-NET-06", "allow from 2001:db8::/32 to any port 6380 proto tcp"),
  shell(
    "RK-NET-04",
    "a rule of iptables before ufw's",
    "iptables -I INPUT -p tcp --dport 6380 -j ACCEPT",
    "iptables -D INPUT -p tcp --dport 6380 -j ACCEPT",
  ),
  shell(
    "RK-NET-04",
    "the kernel's rules flushed, ufw says active",
    "iptables-save >/root/rules; iptables -P INPUT ACCEPT; iptables -F",
    "iptables-restore </root/rules",
  ),
  shell(
    "RK-NET-06",
    "the kernel's rules for IPv6 flushed",
    "ip6tables-save >/root/rules; ip6tables -P INPUT ACCEPT; ip6tables -F",
    "ip6tables-restore </root/rules",
  ),
  shell(
    "RK-SYS-01",
    "the service stopped",
    "systemctl stop redis-server",
    "systemctl start redis-server; until [ -S /run/redis/redis.sock ]; do sleep 0.1; done",
  ),
  shell(
    "RK-SYS-01",
    "a second server on every address, started by hand",
    "redis-server --port 6400 --protected-mode no --save '' --daemonize yes --pidfile /run/second.pid; until ss -Hltn 'sport = 6400' | grep -q .; do sleep 0.1; done",
    "kill $(cat /run/second.pid); until ! ss -Hltn 'sport = 6400' | grep -q .; do sleep 0.1; done",
  ),
];

const quoted = (value: string): string => `'${value}'`;

async function mustBeOk(reply: Promise<string>): Promise<void> {
  const text = await reply;
  if (!/^(OK|\d+)$/.test(text.trim())) throw new Error(text);
}

/** A hardened host, and the folder of the one who hardened it. */
export async function hardened(): Promise<Scene & AsyncDisposable> {
  const host = await startHost();
  const project = openProject({ "redis-01": host });
  await host.redis("SET", "app:1", "value 1");
  await host.redis("SAVE");
  const { status, stdout } = await project.run("apply", "--yes");
  if (status !== 0) throw new Error(stdout);
  return {
    host,
    project,
    [Symbol.asyncDispose]: async () => {
      project[Symbol.dispose]();
      await host[Symbol.asyncDispose]();
    },
  };
}

export interface Noticed {
  title: string;
  control: string;
  /** The controls that verify says fail or cannot be told, and what stopped it. */
  failed: string[];
  isNoticed: boolean;
  /** What verify still says after the change was taken back. */
  afterwards: string[];
}

/** Makes a change, asks verify, takes it back, and asks again. */
export async function tryMutation(scene: Scene, mutation: Mutation): Promise<Noticed> {
  const { title, control } = mutation;
  await mutation.change(scene);
  const { checks, error } = (await scene.project.run("verify")).host("redis-01");
  const failed = [
    ...new Set(checks.filter(({ outcome }) => outcome === "fail").map((check) => check.control)),
  ];
  await mutation.undo(scene);
  const afterwards = notPassed((await scene.project.run("verify")).host("redis-01"));
  return {
    title,
    control,
    failed: error === null ? failed : [...failed, `${error.where}: ${error.found}`],
    isNoticed: failed.includes(control),
    afterwards,
  };
}

/** What was missed, and what was still said once the change was taken back; a line each. */
export function problemsOf({ title, control, failed, isNoticed, afterwards }: Noticed): string[] {
  return [
    ...(isNoticed ? [] : [`${title}: ${control} holds; what fails: ${failed.join(", ") || "nothing"}`]),
    ...afterwards.map((text) => `${title}, taken back: ${text}`),
  ];
}

/** The figure of a number of mutations: all of them noticed, and nothing afterwards. */
export function measuredOf(results: readonly Noticed[], count: number): Measured {
  const problems = results.flatMap(problemsOf);
  const noticed = results.filter(({ isNoticed }) => isNoticed).length;
  const left = results.flatMap(({ afterwards }) => afterwards).length;
  return {
    measured: `${noticed} of ${results.length} noticed, ${left} findings once they were taken back`,
    ok: problems.length === 0 && results.length === count,
    problems,
    details: results,
  };
}
