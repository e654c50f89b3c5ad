# packages: busybox-static bash coreutils grep sed util-linux mount crun bubblewrap
# A container, and a sandbox: name spaces, pivot_root, and filters of system calls that last over execve.
set -eu
bytes() { printf "$(printf '\\x%s' "$@")"; }

mkdir -p rootfs/bin rootfs/dev rootfs/proc rootfs/tmp
cp /bin/busybox rootfs/bin
for name in sh grep mkdir cat id sleep; do ln -s busybox rootfs/bin/$name; done

# mkdirat gives EACCES (13)
bytes 20 00 00 00 00 00 00 00 > filter                                                    # load the number
bytes 15 00 00 01 22 00 00 00 06 00 00 00 0d 00 05 00 06 00 00 00 00 00 ff 7f >> filter
echo '== bwrap'
bwrap --bind rootfs / --proc /proc --unshare-pid --unshare-net --seccomp 3 3< filter \
    /bin/sh -c 'echo $$; grep Seccomp /proc/self/status; mkdir /tmp/a; echo $?' 2>&1

cat > config.json <<'END'
{"ociVersion": "1.0.0",
 "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "noNewPrivileges": true,
             "args": ["sh", "-c", "id -u; echo $$; grep Seccomp /proc/self/status; mkdir /tmp/b; echo $?"]},
 "root": {"path": "rootfs"},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
 "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}],
           "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_X86_64"],
                       "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}}}
END
echo '== crun'
mount -t tmpfs none /sys
mkdir -p /sys/fs/cgroup
unshare --cgroup bash -c '
    mount -t cgroup2 none /sys/fs/cgroup
    run="crun --root /tmp/state --cgroup-manager=disabled"
    $run run one
    sed -i "s/id -u;.*echo ../sleep 100/" config.json
    $run run --detach two
    $run list --quiet
    $run delete --force two
    $run list --quiet' 2>&1
