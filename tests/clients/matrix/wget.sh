# wget, which Debian links with GnuTLS.
source "${BASH_SOURCE%/*}/checks.sh"
wget=/usr/bin/wget
version() { $wget --version | head -n 1 | cut -d' ' -f3; }
ask() {
  local body=()
  [ $# -lt 3 ] || body=(--post-file "$3")
  # It ends with 8 when the server's answer is an error.
  $wget -q -T 60 -t 1 --compression=auto --content-on-error -S "${body[@]}" -O body "$2" 2> headers || [ $? = 8 ] || { cat headers; return 1; }
  awk '$1 ~ /^HTTP/ { status = $2 } END { printf "%s", status }' headers > status
}
parts() { $wget -q -T 60 -t 1 -O - "$1"; }
protocol() { :; }
run
