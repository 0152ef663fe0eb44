# Chromium, with the CA in a database of the home that it is given: `chromium.sh PACKAGES`.
set -eu
HOME=$(mktemp -d)
export HOME
trap 'rm -rf "$HOME"' EXIT
tools/trust/nss --ca /run/proxy-everything/ca.pem >&2
/usr/bin/node tests/clients/matrix/browser.mjs "$1" /usr/bin/chromium
