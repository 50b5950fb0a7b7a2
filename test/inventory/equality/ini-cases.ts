import { type Case, filesNamed } from "./case.ts";

export const INI: Record<string, Case> = {
  ...filesNamed("hosts", {
    "a Redis group with its primary and replicas": `
[redis_primary]
redis-01 ansible_host=10.0.4.11

[redis_replicas]
redis-02 ansible_host=10.0.4.12
redis-03 ansible_host=10.0.4.13 redis_priority=50

[redis:children]
redis_primary
redis_replicas

[redis:vars]
ansible_user=deploy
ansible_become=yes
ansible_ssh_private_key_file=~/.ssh/fleet_ed25519
redis_port=6379
redis_bind="0.0.0.0"
`,
    "hosts before any section": "mail.example.com\n192.0.2.50\n\n[web]\nfoo.example.com\nbar.example.com\n",
    "the examples of Ansible's documentation": `
mail.example.com

[webservers]
foo.example.com
bar.example.com
www[01:50].example.com
www[01:50:2].example.com

[dbservers]
one.example.com
two.example.com
db-[a:f].example.com

[targets]
localhost              ansible_connection=local
other1.example.com     ansible_connection=ssh        ansible_user=myuser
other2.example.com     ansible_connection=ssh        ansible_user=myotheruser

[atlanta]
host1 http_port=80 maxRequestsPerChild=808
host2 http_port=303 maxRequestsPerChild=909

[atlanta:vars]
ntp_server=ntp.atlanta.example.com
proxy=proxy.atlanta.example.com

[raleigh]
host2
host3

[southeast:children]
atlanta
raleigh

[southeast:vars]
some_server=foo.southeast.example.com
halon_system_timeout=30
self_destruct_countdown=60
escape_pods=2

[usa:children]
southeast
northeast

[northeast]
jumper ansible_port=5555 ansible_host=192.0.2.50
badwolf.example.com:5309
`,
    "the examples of the ini plugin": `
[web]
host1
host2 ansible_port=222 # defined inline, interpreted as an integer

[web:vars]
http_port=8080 # all members of 'web' will inherit these
myvar=23 # defined in a :vars section

[web:children] # child groups will automatically add their hosts to parent group
apache
nginx

[apache]
tomcat1
tomcat2 myvar=34 # host specific vars override group vars
tomcat3 mysecret="'03#pa33w0rd'" # proper quoting to prevent value changes

[nginx]
jenkins1

[nginx:vars]
has_java = True # vars in child groups override same in parent

[all:vars]
has_java = False # 'all' is 'top' parent
`,
    "values of host lines": `
[g]
h1 a=1 b=-1 c=1.0 d=1e3 e=0x1f f=0o17 g=0b11 h=1_000 i=0755 j=00
h2 a=True b=False c=None d=true e=no f=yes g=null h=~
h3 a='x' b="x" c="'x'" d='"x"' e="'5'" f="it's" g='say "hi"' h=a\\ b
h4 a=[1,2] b="[1, 'two', [3]]" c={'x':1} d="{'x': 1}" e="('a', 'b')" f=1,2 g="1,"
h5 a= b="" c='' d=x=y e==x f="a=b c=d"
h6 a=10.0.0.1 b=1.2.3 c=v1.2 d=2024-01-02 e=12:30 f=/etc/redis g=50% h=1gb
`,
    "values of :vars sections": `
[g]
h

[g:vars]
a=1
b = 1.50
c = True
d=yes
e="quoted" # a comment
f=plain # no comment
g='it''s'
h=1,2
i={"x": [1, 2]}
j=0644
k = a = b
l=
m="open
n=8080 ; not a comment
o={{ a }}
p='a' 'b'
q=r'C:\\dir'
r=u'text'
s="a\\tb"
t=(1)
u=+5
`,
    "comments in every place": `
; a comment
# another
  # one with blanks before
[web] # the web
h1 x=1 # one
h2 x=ab#cd
h3 x="ab#cd" y=#nothing
[db]#tight
h4#tight
[db:vars]
a=1#tight
b=x#kept
c = "x" ; kept
`,
    "blanks and tabs around everything":
      "\n  [web]  \n\th1\tx=1\t \ty=2  \n   h2   \n[ web:vars ]x\n".replace(
        "[ web:vars ]x\n",
        "[web:vars]\n  a  =  b c  \n",
      ),
    "carriage returns": "[web]\r\nh1 x=1\r\nh2\r\n\r\n[web:vars]\r\na=b\r\n",
    "no line end at the end": "[web]\nh1\n[web:vars]\na=1",
    "sections in any order": `
[all:vars]
region=eu
[prod:children]
web
db
[db:vars]
port=5432
[web:vars]
port=80
[db]
d1
[web]
w1
w2 port=81
[prod:vars]
env=prod
`,
    "children that are declared later in another order":
      "[p:children]\nc\nb\na\n[a]\nh1\n[b]\nh2\n[c]\nh3\n[q:children]\np\na\n",
    "children declared before and after":
      "[a]\nh1\n[p:children]\nb\na\n[b]\nh2\n[p:children]\nc\n[c:children]\na\n",
    "groups that are only named by sections":
      "[empty]\n[p:children]\nempty\n[lonely:children]\nempty\n[web]\nh\n",
    "a group that stands three times":
      "[web]\nh1 a=1\n[db]\nh1 a=2\n[web]\nh2\nh1 b=3\n[web:vars]\nx=1\n[web:vars]\nx=2\n",
    "deep groups and who wins": `
[a]
h
[b:children]
a
[c:children]
b
[z]
h
[d:children]
c
z
[a:vars]
v=a
[b:vars]
v=b
w=b
[c:vars]
v=c
w=c
[z:vars]
v=z
w=z
[all:vars]
v=all
w=all
u=all
`,
    "priorities of groups": "[a]\nh\n[b]\nh\n[a:vars]\nv=a\nansible_group_priority=10\n[b:vars]\nv=b\n",
    "hosts in all and ungrouped":
      "[all]\nh1 x=1\nh2\n[ungrouped]\nh3\nh2\n[web]\nh2\nh4\n[ungrouped:vars]\nu=1\n",
    ranges: `
[r]
r[1:3]
r[01:03]b
r[:2]c
x[1:10:3]
y[a:c].example.com
z[A:C]
m[y:B]
n[1:2]-[a:b]
10.0.0.[9:11]
2001:db8::[1:3]
r[1:2] later=1
`,
    ports: `
[p]
a:2222
b:22 ansible_port=2200
[2001:db8::1]:2022
2001:db8::2
c[1:2]:2023
10.0.0.1:24
d ansible_port=25
d x=1
`,
    "group names of the field":
      "[my-group]\nh1\n[g.x]\nh2\n[9g]\nh3\n[tag_Name_redis]\nh4\n[é]\nh5\n[my-group:vars]\na-b=1\na.b=2\na b=3\n",
    "ssh options as people write them": `
[redis]
r1 ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p -q bastion.example.com"'
r2 ansible_ssh_common_args="-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
r3 ansible_ssh_extra_args=-4
[redis:vars]
ansible_ssh_common_args='-J jump@bastion.example.com:2222'
ansible_python_interpreter=/usr/bin/python3
ansible_ssh_pass=1234
ansible_become_pass="{{ lookup('env', 'SUDO_PASS') }}"
`,
    "vagrant's own inventory": `
# Generated by Vagrant

default ansible_host=127.0.0.1 ansible_port=2200 ansible_user='vagrant' ansible_ssh_private_key_file='/home/u/.vagrant/machines/default/virtualbox/private_key'
`,
    "kubespray's layout": `
[all]
node1 ansible_host=95.54.0.12  # ip=10.3.0.1 etcd_member_name=etcd1
node2 ansible_host=95.54.0.13
# node3 ansible_host=95.54.0.14

[kube_control_plane]
node1
[etcd]
node1
[kube_node]
node2
[calico_rr]
[k8s_cluster:children]
kube_control_plane
kube_node
calico_rr
`,
    "stages that share their hosts": `
[stage_web]
web-stage
[stage_redis]
redis-stage
[prod_web]
web-prod-[1:2]
[prod_redis]
redis-prod-[1:2]
[stage:children]
stage_web
stage_redis
[prod:children]
prod_web
prod_redis
[web:children]
stage_web
prod_web
[redis:children]
stage_redis
prod_redis
[prod:vars]
env=prod
[stage:vars]
env=stage
[redis:vars]
redis_tls = true
`,
    "variables twice on one line": "[g]\nh a=1 a=2 A=3\nh a=4\n",
    "long words and deep values": `[g]\nh long=${"x".repeat(2000)} deep="${"[".repeat(60)}${"]".repeat(60)}"\n`,
    "names that JavaScript's objects have":
      "[__proto__]\nconstructor\n[g]\nh __proto__=1 constructor=2 toString=3 d=\"{'__proto__': {'x': 1}}\"\n[hasOwnProperty:children]\ng\n",
    "text that is YAML, too": "redis-01\n",
    "text after nothing but comments": "# only\n; comments\n[g]\nh\n",
    "escapes and odd characters in values":
      "[g]\nh a=\\x b=\"a\\\\b\" c='a\\\\b' d=\"\\$x\" e=€ f=a\\'b g=$HOME h=`id`\n[g:vars]\na=\\x\nb=€\nc='\\u20ac'\n",
  }),
  ...filesNamed("hosts.ini", { "the ending .ini": "[redis]\nredis-01 ansible_host=10.0.0.1\n" }),
  ...filesNamed("production", { "a name without an ending": "[redis]\nredis-01\n[redis:vars]\nx=1\n" }),
  ...filesNamed("inventory.production", { "an ending that nobody knows": "[redis]\nredis-01 x=1\n" }),
  ...filesNamed("hosts.yml", {
    "INI in a .yml": "[redis]\nredis-01 x=1\nredis-02\n[redis:vars]\na=b\n",
    "one host in a .yml": "redis-01\n",
  }),
  ...filesNamed("hosts.json", { "INI in a .json": "[redis]\nredis-01 x=1\n" }),
};
