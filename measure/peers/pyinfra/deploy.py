# The same job as ../ansible/site.yml, with the same template of redis.conf.
import hashlib
from io import StringIO

from pyinfra import host
from pyinfra.api import FactBase
from pyinfra.facts.files import Directory, File
from pyinfra.operations import files, server, systemd

TLS = "/etc/redis/tls"
EC = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
data = host.data


class UfwState(FactBase):
    command = "ufw show added; cat /etc/ufw/ufw.conf"
    requires_command = "ufw"

    def process(self, output):
        return output


def password(user):
    return hashlib.sha256(getattr(data, f"{user}_password").encode()).hexdigest()


if "750" != str(host.get_fact(Directory, path="/etc/redis")["mode"]):  # files.directory cannot clear the setgid bit
    server.shell(name="Clear the setgid bit", commands=["chmod 00750 /etc/redis"])
files.directory(name="Close the configuration", path="/etc/redis", user="root", group="redis", mode="750")
files.directory(name="Create the TLS directory", path=TLS, user="root", group="redis", mode="750")

restart = False
if not host.get_fact(File, path=f"{TLS}/ca.crt"):
    restart = True
    server.shell(
        name="Create the CA",
        commands=[f"openssl req -new -x509 -days 3650 {EC} -keyout {TLS}/ca.key -out {TLS}/ca.crt -subj /CN=Redis-CA"],
    )
for leaf, subject, san, usage in [
    ("server", "redis.internal", f"DNS:localhost,DNS:{data.private_name},IP:127.0.0.1,IP:{data.private_ip}", "serverAuth"),
    ("client", "app", "DNS:app", "clientAuth"),
]:
    base = f"{TLS}/{leaf}"
    if not host.get_fact(File, path=f"{base}.crt"):
        restart = True
        server.shell(
            name=f"Create the {leaf} certificate",
            commands=[
                f"openssl req -new {EC} -keyout {base}.key -out {base}.csr -subj /CN={subject}"
                f" -addext subjectAltName={san} -addext extendedKeyUsage={usage}",
                f"openssl x509 -req -days 825 -copy_extensions copy -in {base}.csr -out {base}.crt"
                f" -CA {TLS}/ca.crt -CAkey {TLS}/ca.key -CAcreateserial",
            ],
        )
for path, group, mode in [
    ("ca.crt", "redis", "640"),
    ("server.crt", "redis", "640"),
    ("server.key", "redis", "640"),
    ("ca.key", "root", "600"),
    ("client.key", "root", "600"),
]:
    files.file(name=f"Restrict {path}", path=f"{TLS}/{path}", user="root", group=group, mode=mode)

changes = [
    files.template(
        name="Configure redis",
        src="templates/redis.conf.j2",
        dest="/etc/redis/redis.conf",
        user="root",
        group="redis",
        mode="640",
        private_ip=data.private_ip,
        config_name=data.config_name,
    ),
    files.put(
        name="Configure the ACL users",
        src=StringIO(
            "user default off resetpass resetkeys resetchannels -@all\n"
            f"user app on #{password('app')} resetchannels &app:* ~app:* -@all +@read +@write +@connection"
            " +@transaction +@pubsub -@admin -@dangerous -@scripting +info\n"
            f"user metrics on #{password('metrics')} resetchannels -@all +ping +info +dbsize +lastsave +role"
            " +latency|latest +slowlog|len\n"
            f"user admin on #{password('admin')} ~* &* +@all\n"
        ),
        dest="/etc/redis/users.acl",
        user="root",
        group="redis",
        mode="640",
    ),
    files.put(
        name="Run redis as an unprivileged user",
        src=StringIO("[Service]\nUser=redis\nGroup=redis\nUMask=0027\nLimitNOFILE=10032\n"),
        dest="/etc/systemd/system/redis-server.service.d/hardening.conf",
        user="root",
        group="root",
        mode="644",
    ),
]

files.directory(name="Close the data", path="/var/lib/redis", user="redis", group="redis", mode="750")
files.directory(name="Close the logs", path="/var/log/redis", user="redis", group="adm", mode="2750")
files.file(name="Close the log", path="/var/log/redis/redis-server.log", user="redis", group="adm", mode="640")

ufw = host.get_fact(UfwState) or []
for text in ["allow 22/tcp", f"allow from {data.app_subnet} to any port 6380 proto tcp"]:  # SSH stays open
    if f"ufw {text}" not in ufw:
        server.shell(name=f"Firewall: {text}", commands=[f"ufw {text}"])
if "ENABLED=yes" not in ufw:
    server.shell(name="Enable the firewall", commands=["ufw --force enable"])

restart = restart or any(change.changed for change in changes)
systemd.service(
    name="Enable and start redis",
    service="redis-server",
    running=True,
    enabled=True,
    restarted=restart,
    daemon_reload=restart,
)
