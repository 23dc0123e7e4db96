#!/usr/bin/env bash
# start.sh FOLDER: a Slurm of three nodes with two fake GPUs each on this machine, its files in FOLDER.
# Needs root; installs Debian's packages where they are missing. Says what is missing otherwise, and ends with 3.
set -euo pipefail
folder=$(realpath -m "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
daemons="slurmctld slurmd munged"
refuse() { echo "$1"; exit 3; }

# Daemons live in sbin, which is not on every PATH.
export PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || refuse "a Slurm of its own needs root"
if ! type $daemons sbatch > /dev/null 2>&1; then
  command -v apt-get > /dev/null || refuse "Slurm is not installed, and there is no apt-get to install it"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -q && apt-get install -y -q --no-install-recommends slurmctld slurmd slurm-client munge; } \
    > /dev/null 2>&1 || refuse "apt-get could not install slurmctld, slurmd and munge"
fi
config=/etc/slurm/slurm.conf
[ ! -e $config ] || [ "$(readlink $config)" = "$folder/etc/slurm.conf" ] || refuse "$config is another cluster's"

mkdir -p "$folder"/{etc,log,run,state,dev,spool/node{1..3}} /etc/slurm
host=$(hostname -s)
getent hosts "$host" > /dev/null || echo "127.0.0.1 $host" >> /etc/hosts
sed "s|@FOLDER@|$folder|; s|@HOST@|$host|" "$here/slurm.conf.in" > "$folder/etc/slurm.conf"
for node in node{1..3}; do
  # slurmd wants a character device: copies of /dev/null.
  for device in "$folder/dev/$node-gpu"{0,1}; do [ -c "$device" ] || mknod -m 666 "$device" c 1 3; done
  echo "NodeName=$node AutoDetect=off Name=gpu File=$folder/dev/$node-gpu[0-1]"
done > "$folder/etc/gres.conf"
# Snakemake's job steps run without SLURM_CONF, so the files must be where Slurm looks for itself.
ln -sfn "$folder/etc/slurm.conf" "$folder/etc/gres.conf" /etc/slurm/

install -d -o munge -g munge /run/munge /var/lib/munge
install -d -o munge -g munge -m 700 /var/log/munge /etc/munge
[ -s /etc/munge/munge.key ] || (umask 077; head -c 1024 /dev/urandom > /etc/munge/munge.key)
chown munge:munge /etc/munge/munge.key
if ! munge -n < /dev/null > /dev/null 2>&1; then
  runuser -u munge -- "$(command -v munged)"
  touch "$folder/run/munged-is-ours"
fi
slurmctld
for node in node{1..3}; do slurmd -N $node; done
for _ in $(seq 100); do
  [ "$(sinfo -h -N -t idle -o %N 2> /dev/null | wc -l)" = 3 ] && exit 0
  sleep 0.2
done
tail -n 20 "$folder"/log/*.log
exit 1
