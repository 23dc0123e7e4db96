#!/usr/bin/env bash
# stop.sh FOLDER: cancel every job, end the daemons that start.sh started, and remove its links.
set -uo pipefail
folder=$(realpath -m "$1")
export PATH=$PATH:/usr/sbin:/sbin
end() {  # by the process id in a file
  local pid
  pid=$(cat "$1" 2> /dev/null) && kill "$pid" 2> /dev/null || return 0
  for _ in $(seq 100); do kill -0 "$pid" 2> /dev/null || return 0; sleep 0.1; done
  kill -9 "$pid"
}
if [ "$(readlink /etc/slurm/slurm.conf)" = "$folder/etc/slurm.conf" ]; then
  timeout 10 squeue -h -o %A | xargs -r timeout 10 scancel
  for _ in $(seq 50); do [ -z "$(timeout 5 squeue -h)" ] && break; sleep 0.2; done
  rm -f /etc/slurm/slurm.conf /etc/slurm/gres.conf
fi
for node in node{1..3}; do end "$folder/run/$node.pid"; done
end "$folder/run/slurmctld.pid"
[ -e "$folder/run/munged-is-ours" ] && end /run/munge/munged.pid
exit 0
