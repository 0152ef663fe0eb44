# The tools of the matrix: `tools.sh TOOL [PROGRAM]`. Prints the version, and whether the tool `works`: its function below ends well.
set -u
root=$PWD
program=${2:-}
[[ $program != target/* ]] || program=$root/$program

git_() {
  version=$(git --version | cut -d' ' -f3)
  export GIT_TERMINAL_PROMPT=0 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
  git clone -q "$URL" one && git clone -q "$URL" two && head -c 3000000 /dev/urandom > one/large &&
    git -C one add large && git -C one commit -q -m large && git -C one push -q origin HEAD:main &&
    git -C two pull -q origin main && cmp one/large two/large
}

pip_() {
  version=$($program -m pip --version | cut -d' ' -f2)
  export PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
  $program -m pip install -q --index-url "$URL" --target site private-thing && [ -e site/private_thing.py ]
}

uv_() {
  version=$($program --version | cut -d' ' -f2)
  UV_CACHE_DIR=$PWD/cache $program pip install -q --python /usr/bin/python3 --index-url "$URL" --target site private-thing &&
    [ -e site/private_thing.py ]
}

npm_() {
  version=$($program --version)
  export npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false npm_config_loglevel=error npm_config_cache=$PWD/cache
  mkdir thing app
  printf '@me:registry=https://npm.example.test/\n//npm.example.test/:_authToken=%s\n' "$TOKEN" | tee thing/.npmrc > app/.npmrc
  echo '{ "name": "@me/private-thing", "version": "1.0.0" }' > thing/package.json
  (cd thing && $program publish) >&2 && (cd app && $program install @me/private-thing) >&2 && [ -e app/node_modules/@me/private-thing/package.json ]
}

cargo_() {
  PATH=$SYSROOT/bin:$PATH
  version=$(cargo --version | cut -d' ' -f2)
  mkdir -p app/src app/.cargo
  printf '[registries.lab]\nindex = "sparse+https://files.example.test/files/index/"\n' > app/.cargo/config.toml
  printf '[package]\nname = "app"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nprivate-thing = { version = "1", registry = "lab" }\n' > app/Cargo.toml
  echo 'fn main() { println!("{}", private_thing::said()); }' > app/src/main.rs
  [ "$(cd app && CARGO_HOME=$PWD/../cargo CARGO_TARGET_DIR=$PWD/target cargo run -q)" = installed ]
}

# Root is without capabilities inside, and cannot become `_apt`.
apt_() {
  version=$($program --version | head -n 1 | cut -d' ' -f2)
  local scheme
  for scheme in https http; do
    mkdir -p $scheme/lists/partial $scheme/cache/archives/partial
    echo "deb [trusted=yes] $scheme://files.example.test/files source/" > $scheme/sources.list
    local options=(-qq -o "Dir::State::Lists=$PWD/$scheme/lists" -o "Dir::Cache=$PWD/$scheme/cache" -o "Dir::Etc::SourceList=$PWD/$scheme/sources.list"
      -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Status=/dev/null -o APT::Sandbox::User=root)
    $program "${options[@]}" update && (cd $scheme && $program "${options[@]}" download private-thing) && [ -e $scheme/private-thing_1.0_all.deb ] || return 1
  done
}

grpc_() { version=$($program "$root/tests/clients/matrix/grpc_ask.py"); }

grpc_js_() { version=$(/usr/bin/node "$root/tests/clients/matrix/grpc_ask.mjs" "$program"); }

redis_() {
  version=$(redis-cli --version | cut -d' ' -f2)
  [ "$(redis-cli -h redis.example.test set one 1)" = OK ] && [ "$(redis-cli -h redis.example.test get one)" = 1 ]
}

psql_() {
  version=$(psql --version | cut -d' ' -f3)
  local to="host=postgres.example.test user=me dbname=postgres sslmode=verify-full sslrootcert=$ROOTS"
  [ "$(psql -qAt "$to" -c 'select ssl from pg_stat_ssl where pid = pg_backend_pid()')" = t ]
}

ssh_() {
  version=$(ssh -V 2>&1 | cut -d, -f1)
  [ "$(ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=known -o LogLevel=ERROR me@ssh.example.test a command)" = "a command" ]
}

folder=$(mktemp -d) && cd "$folder" || exit 1
export HOME=$folder
version=
if "$1_"; then result=pass why=; else result=fail why='see what it says'; fi
printf '{"version":"%s"}\n{"check":"works","result":"%s","why":"%s"}\n' "$version" "$result" "$why"
rm -rf "$folder"
[ "$result" = pass ]
