# Runs a container engine until standard input ends, which it does however the tests end, and leaves nothing of it behind.
# Arguments: a directory that only this engine uses, its client as one word list, and the engine's command line.
directory=$1 client=$2
shift 2
ip link set lo up
"$@" </dev/null >"$directory/log" 2>&1 &
daemon=$!
cat >/dev/null
for id in $($client ps --all --quiet); do $client rm --force "$id"; done
kill "$daemon"
wait "$daemon"
# Rootless podman keeps its namespaces by a process of no arguments; monitors and shims name the directory in theirs.
for file in "$directory"/run-user/libpod/tmp/pause.pid; do [ ! -e "$file" ] || kill -KILL "$(cat "$file")"; done
for process in /proc/[0-9]*; do
  pid=${process#/proc/}
  [ "$pid" = $$ ] || ! tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -qF "$directory/" || kill -KILL "$pid"
done
awk -v below="$directory/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount --lazy
rm -rf "$directory"
