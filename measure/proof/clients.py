"""What an application does, by redis-py. Line 1 of stdin is JSON: {"host", "port", "password", "ca", "cert", "key"}; prints
JSON: a list of [what, reply or error]."""
import json
import sys
import tempfile

import redis

wanted = json.loads(sys.stdin.readline())


def pem(text):
    file = tempfile.NamedTemporaryFile("w", delete=False)
    file.write(text)
    file.close()
    return file.name


client = redis.Redis(
    host=wanted["host"], port=wanted["port"], username="app", password=wanted["password"], client_name="shop",
    ssl=True, ssl_ca_certs=pem(wanted["ca"]), ssl_certfile=pem(wanted["cert"]), ssl_keyfile=pem(wanted["key"]),
    ssl_check_hostname=True, decode_responses=True,
)
seen = []


def attempt(what, work):
    try:
        seen.append([what, str(work())])
    except redis.RedisError as error:
        seen.append([what, str(error)])


def transaction():
    with client.pipeline(transaction=True) as pipe:
        return pipe.set("app:x", "1").incr("app:x").get("app:x").execute()


def publish():
    subscriber = client.pubsub()
    subscriber.subscribe("app:news")
    subscriber.get_message(timeout=5)
    client.publish("app:news", "hello")
    return subscriber.get_message(timeout=5)["data"]


attempt("SET and GET", lambda: client.set("app:a", "1") and client.get("app:a"))
attempt("transaction", transaction)
attempt("publish and subscribe", publish)
attempt("scan", lambda: sorted(client.scan_iter("app:a*")))
attempt("another's key", lambda: client.get("other:a"))
attempt("FLUSHALL", client.flushall)
attempt("CONFIG GET", lambda: client.config_get("*"))
attempt("KEYS", lambda: client.keys("*"))
print(json.dumps(seen))
