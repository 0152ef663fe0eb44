# curl.
source "${BASH_SOURCE%/*}/checks.sh"
curl=/usr/bin/curl
version() { $curl --version | head -n 1 | cut -d' ' -f2,4-5; }
ask() {
  local body=()
  [ $# -lt 3 ] || body=(--data-binary "@$3")
  $curl -sSL --max-time 60 --compressed -X "$1" "${body[@]}" -D headers -o body -w '%{http_code}' "$2" > status
}
parts() { $curl -sSN --max-time 60 "$1"; }
protocol() { $curl -sS -o body -w '%{http_version}' "$1"; }
run
