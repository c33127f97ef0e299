# SPDX-License-Identifier: Apache-2.0
#
# Sourced by Tests/package.sh: what an operator does to a host in its life, on a machine that boots.
set -euo pipefail

lab=/opt/lab

# Connections between the workloads that passed this machine in clear, since its boot or since `forget`.
clear() { on nft -j list counter inet lab clear | sed -n 's/.*"packets": *\([0-9]*\).*/\1/p'; }
forget() { on nft reset counter inet lab clear >/dev/null; }
none_clear() {
    local count
    count=$(clear)
    [[ $count == 0 ]] || { machine_log; fail "$1: $count connections passed in clear"; }
}

# answered SECONDS: waits for a whole second in which every call was answered; prints it.
answered() {
    local deadline=$((SECONDS + $1)) line mark
    mark=$(on sh -c "wc -l <$lab/calls")
    while ((SECONDS < deadline)); do
        line=$(on tail -n +$((mark + 2)) "$lab/calls" | grep '"bad": 0' | tail -n 1) || true
        if [[ -n $line && $line != *'"good": 0'* ]]; then printf '%s\n' "$line"; return; fi
        sleep 0.2
    done
    on tail -n 5 "$lab/calls" >&2
    machine_log
    return 1
}

captured() {
    until_true "$1" 'both workloads are captured' sh -c '[ "$(warren workloads --local | grep -c "HBONE  *captured")" = 2 ]'
}

lost() { on tail -n 1 "$lab/calls" | sed -n 's/.*"lost": \([0-9]*\).*/\1/p'; }

active() {
    [[ $(on systemctl is-active "$1") == "${2:-active}" ]] && return
    machine_log
    fail "$1 is $(on systemctl is-active "$1"), not ${2:-active}"
}

# What of ours could be left in the machine: rules, policy rules and routes of the host and of both workloads, files, users, units.
left() {
    local place
    for place in '' 'ip netns exec web' 'ip netns exec stock'; do
        on sh -c "$place nft list tables; $place ip rule; $place ip -6 rule; $place ip route show table 100
            $place ip -6 route show table 100" 2>/dev/null |
            grep -v 'table inet lab' || true
        on sh -c "$place sysctl -a 2>/dev/null" | grep -E '^net\.(ipv4|ipv6)\.(tcp_fwmark|fwmark|conf|ip_nonlocal|tcp_l3)' |
            grep -vE 'mtu|base_reachable|retrans_time' || true
    done
    on sh -c 'ls -d /etc/warren /var/lib/warren /run/warren /usr/*bin/warren* /etc/systemd/system/*/warren* \
        /var/lib/systemd/deb-systemd-helper-enabled/warren* 2>/dev/null' || true
    on sh -c "grep -c . /etc/passwd; grep warren /etc/passwd" || true
}

# --- the machine

make_image "$package"
say "image: $(($(stat -c %s "$image") / 1024 / 1024)) MiB"
mkdir "$work/machine"
tar -C "$work/machine" -xf "$image"
cp -r Tests/Package/lab "$work/machine$lab"
for revision in 2 3; do deploy/package.sh --output "$work" --revision "$revision" >/dev/null 2>&1; done
cp "$package" "$work"/*.deb "$work/machine/opt/"
deb() { printf '/opt/warren_%s-%s_%s.deb' "$version" "$1" "$(dpkg --print-architecture)"; }
version=$(dpkg-deb -f "$package" Version)
version=${version%-*}

for name in stock:echo web:call; do
    cat >"$work/machine/etc/systemd/system/lab-${name%:*}.service" <<UNIT
[Unit]
Requires=lab-namespaces.service
After=lab-namespaces.service
[Service]
ExecStart=ip netns exec ${name%:*} python3 $lab/${name#*:}.py
StandardOutput=append:$lab/calls
StandardError=journal
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
done
cat >"$work/machine/etc/systemd/system/lab-namespaces.service" <<UNIT
[Unit]
DefaultDependencies=no
After=local-fs.target
Before=network.target
Wants=network-pre.target
After=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$lab/namespaces
UNIT
boot || skip "no container boots here: $(tail -n 1 "$work/console.log")"
say "booted: $(on systemctl --version | head -n 1)"

# --- install

on systemctl -q enable --now lab-stock lab-web 2>/dev/null
answered 10 >/dev/null || fail 'the workloads reach each other'
plain=$(left)
on dpkg -i "$(deb 1)" >"$work/dpkg.log" 2>&1 || fail "dpkg -i: $(<"$work/dpkg.log")"
active warrend inactive
[[ $(on systemctl is-enabled warrend) == enabled ]] || fail "warrend isn't enabled"
[[ -z $(on systemctl --failed --no-legend) ]] || fail "a unit failed: $(on systemctl --failed --no-legend)"
say 'installed: nothing was started, nothing failed'

# --- enrol

settings='node: machine\nsameHost: tunnel\ntimeouts: {drain: 3s}\nlog: {access: failures}\n'
on sh -c "printf '$settings' >/etc/warren/warrend.yaml"
if [[ -x $tree/usr/sbin/warren-control ]]; then
    on systemctl -q enable --now warren-control 2>/dev/null
    active warren-control
    join=$(on warren token create --node machine --address 127.0.0.1:15012 | grep -o 'warren join .*' | head -n 1)
    on $join >"$work/join.log" 2>&1 || { machine_log; fail "warren join: $(<"$work/join.log")"; }
    active warrend
    on warren apply -f "$lab/grant.yaml" >/dev/null
    on warren apply -f "$lab/mesh.yaml" >/dev/null
    say 'a control plane, this host joined, the mesh applied'
else
    on warren ca init >/dev/null
    on cp "$lab/mesh.yaml" /etc/warren/mesh/
    on systemctl start warrend
fi
active warrend
captured 10
# The connection that it kept is from before: a new one is captured.
on systemctl restart lab-web
forget
answered 10 >/dev/null || fail 'captured workloads reach each other'
none_clear 'enrolled'
on warren tunnels | grep -q '^shop\/web  *client' || { on warren tunnels >&2; fail 'there is no tunnel'; }
say 'enrolled: every call is answered, none in clear'

on systemd-analyze security --no-pager warrend.service >"$work/security" 2>&1 || true
for unit in "$tree"/usr/lib/systemd/system/*.service; do
    verdict=$(on systemd-analyze security --no-pager "$(basename "$unit")" 2>&1 | tail -n 1 | sed 's/^[^A-Za-z]*//')
    say "systemd-analyze security $(basename "$unit"): $verdict"
done

# How many packets the guard dropped since it was loaded.
dropped() { on nft list table inet warren-guard | awk '/ drop/ { for (i = 1; i < NF; i++) if ($i == "packets") n += $(i + 1) } END { print n + 0 }'; }

# --- restart, crash, hang

before=$(lost)
on systemctl restart warrend
captured 10
answered 10 >/dev/null || fail 'traffic goes on after a restart'
none_clear 'restart'
say "restarted: traffic goes on, none in clear, $(($(lost) - before)) open connections lost"

on kill -KILL "$(on systemctl show -P MainPID warrend)"
captured 10
answered 10 >/dev/null || fail 'traffic goes on after a crash'
none_clear 'kill -9'
say 'killed: traffic goes on, none in clear'

process=$(on systemctl show -P MainPID warrend)
on mkdir -p /run/systemd/system/warrend.service.d
printf '[Service]\nWatchdogSec=2\n' | on tee /run/systemd/system/warrend.service.d/watchdog.conf >/dev/null
on systemctl daemon-reload
on systemctl restart warrend
captured 10
process=$(on systemctl show -P MainPID warrend)
sleep 5
[[ $(on systemctl show -P MainPID warrend) == "$process" ]] || { machine_log; fail 'the watchdog wasn'"'"'t fed'; }
on kill -STOP "$process"
until_true 15 'a hung daemon is replaced' sh -c "[ \"\$(systemctl show -P MainPID warrend)\" != $process ] && systemctl is-active -q warrend"
captured 10
# A line of the calls is of a whole second: one that saw the daemon's end mustn't count for what follows.
answered 10 >/dev/null || fail 'traffic goes on after a hang'
none_clear 'hang'
on rm -r /run/systemd/system/warrend.service.d
on systemctl daemon-reload
say 'hung: the watchdog ended it, and it is back'

# --- upgrade

for revision in 2 3; do
    before=$(lost)
    mark=$(on sh -c "wc -l <$lab/calls")
    process=$(on systemctl show -P MainPID warrend)
    on dpkg -i "$(deb "$revision")" >"$work/dpkg.log" 2>&1 || fail "dpkg -i: $(<"$work/dpkg.log")"
    active warrend
    [[ $(on systemctl show -P MainPID warrend) != "$process" ]] || { machine_log; fail 'the same process runs after an upgrade'; }
    captured 10
    answered 10 >/dev/null || fail 'traffic goes on after an upgrade'
    none_clear 'upgrade'
    (($(lost) == before)) || { machine_log; fail "$(($(lost) - before)) open connections were lost in the upgrade to revision $revision"; }
    refused=$(on tail -n "+$((mark + 1))" "$lab/calls" | sed -n 's/.*"bad": \([0-9]*\).*/\1/p' | paste -s -d +)
    (($((refused)) == 0)) || { machine_log; fail "$((refused)) calls failed in the upgrade to revision $revision"; }
    say "upgraded to revision $revision: traffic goes on, none in clear, 0 open connections lost, 0 calls failed"
done
on warren status | grep '^finishing' || { on warren status >&2; fail 'no daemon finishes connections after an upgrade'; }
[[ -n $(on systemctl list-units --no-legend 'warrend-draining-*.scope') ]] || fail 'there is no scope of a daemon that finishes its connections'

# --- a namespace that is made anew while nobody captures

on systemctl stop lab-web warrend
on "$lab/namespaces" web 1
on systemctl start lab-web
sleep 3
none_clear 'made anew while warrend was down'
(($(dropped) > 0)) || fail "the guard dropped nothing: the application didn't try"
say "stopped, and a namespace made anew: none in clear, $(dropped) packets dropped"
on systemctl start warrend
captured 10
answered 10 >/dev/null || fail 'traffic goes on after that'
none_clear 'captured again'
! on nft list table inet warren-guard >/dev/null 2>&1 || fail 'both are captured, and the guard still has rules'

# --- reboot, with applications that are there seconds before warrend

printf '[Service]\nExecStartPre=sleep 4\n' |
    on sh -c 'mkdir -p /etc/systemd/system/warrend.service.d && cat >/etc/systemd/system/warrend.service.d/late.conf'
on truncate --size 0 "$lab/calls"
reboot || fail "the machine doesn't come back: $(tail -n 3 "$work/console.log")"
captured 20
answered 10 >/dev/null || fail 'traffic goes on after a reboot'
none_clear 'reboot'
tried=$(on head -n 3 "$lab/calls" | sed -n 's/.*"bad": \([0-9]*\).*/\1/p' | paste -s -d +)
(($((tried)) > 0)) || fail "the application wasn't there before warrend"
say "rebooted: $((tried)) calls before warrend was there failed, none in clear, then captured again"
on rm -r /etc/systemd/system/warrend.service.d
on systemctl daemon-reload

# --- remove, install again, purge

on dpkg -r warren >"$work/dpkg.log" 2>&1 || fail "dpkg -r: $(<"$work/dpkg.log")"
sleep 2
none_clear 'removed'
say 'removed: workloads stay captured, none in clear'
on dpkg -i "$(deb 3)" >"$work/dpkg.log" 2>&1 || fail "dpkg -i: $(<"$work/dpkg.log")"
captured 20
answered 10 >/dev/null || fail 'traffic goes on after another installation'
none_clear 'installed again'
say 'installed again: it serves as before'

on dpkg -P warren >"$work/dpkg.log" 2>&1 || fail "dpkg -P: $(<"$work/dpkg.log")"
answered 10 >/dev/null || fail 'the workloads are free after the purge'
[[ $(clear) != 0 ]] || fail 'what the purge freed is counted as clear: the count counts nothing'
after=$(left)
[[ $after == "$plain" ]] || fail "something is left: $(diff <(printf '%s\n' "$plain") <(printf '%s\n' "$after"))"
say 'purged: no rule, route, setting, file or user is left, and the workloads are free'

[[ -z $(on systemctl --failed --no-legend) ]] || fail "a unit failed: $(on systemctl --failed --no-legend)"
stop_machine
[[ -z $(find /sys/fs/cgroup -maxdepth 2 -name "$group") ]] || fail 'a control group is left'
