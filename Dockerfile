# redkeep in a container: docs/ci.md says what to mount. Built beside the tarball that `npm pack` makes:
#   npm pack && docker build --build-arg VERSION=0.1.0 -t redkeep .
ARG BASE=node:24-bookworm-slim
FROM ${BASE}
ARG VERSION

# redkeep asks ssh about ~/.ssh/config.
RUN set -eu; \
    if ! command -v ssh >/dev/null; then \
      apt-get update -q; \
      DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends openssh-client; \
      rm -rf /var/lib/apt/lists/*; \
    fi

# The package brings its libraries along, so nothing is installed: ADD unpacks it as /opt/package.
ADD redkeep-${VERSION}.tgz /opt/
RUN set -eu; \
    chmod -R a+rX,go-w /opt/package; chmod 755 /opt/package/dist/cli.js; \
    ln -s /opt/package/dist/cli.js /usr/local/bin/redkeep; \
    if ! getent passwd 1000 >/dev/null; then useradd --uid 1000 --create-home redkeep; fi; \
    mkdir /fleet; chown 1000 /fleet

WORKDIR /fleet
# By number, so that Kubernetes can tell that it is not root.
USER 1000:1000
ENTRYPOINT ["redkeep"]
