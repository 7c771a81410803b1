"""Quotas of control groups, read from files like those of the system."""

from __future__ import annotations

import os

import pytest

from neonport.backends.host import threads
from neonport.backends.host.cpu_quota import cpu_quota

V2 = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 32 0:28 {root} /sys/fs/cgroup/cpu,cpuacct rw shared:8 - cgroup cgroup rw,cpu,cpuacct"
MEMORY = "34 32 0:29 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory"
DISK = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"


@pytest.fixture
def system(tmp_path):
    """Makes files of a system and returns the quota that is read from them."""

    def make(groups, mounts, **files):
        written = {"proc/self/cgroup": groups, "proc/self/mountinfo": "\n".join(mounts)}
        for name, text in {**written, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return cpu_quota(tmp_path)

    return make


def v2(folder, text):
    return {f"sys/fs/cgroup{folder}/cpu.max": text}


def v1(folder, quota, period):
    place = f"sys/fs/cgroup/cpu,cpuacct{folder}/cpu.cfs_"
    return {f"{place}quota_us": quota, f"{place}period_us": period}


def test_a_quota_of_version_2(system):
    assert system("0::/job", [DISK, V2.format(root="/")], **v2("/job", "150000 100000")) == 1.5


def test_no_limit(system):
    assert system("0::/job", [V2.format(root="/")], **v2("/job", "max 100000")) is None


def test_the_least_of_the_groups_above_counts(system):
    files = {**v2("/a/b", "800000 100000"), **v2("/a", "200000 100000"), **v2("", "max 100000")}
    assert system("0::/a/b", [V2.format(root="/")], **files) == 2


def test_a_container_sees_its_group_as_the_root(system):
    assert system("0::/", [V2.format(root="/")], **v2("", "50000 100000")) == 0.5
    found = system("0::/../outside", [V2.format(root="/")], **v2("", "50000 100000"))
    assert found == 0.5


def test_a_group_is_mounted_without_those_above_it(system):
    groups, mounts = "0::/docker/abc/sub", [V2.format(root="/docker/abc")]
    assert system(groups, mounts, **v2("/sub", "300000 100000")) == 3
    assert system("0::/elsewhere", mounts, **v2("", "300000 100000")) == 3


def test_a_quota_of_version_1(system):
    groups = "5:memory:/x\n4:cpu,cpuacct:/job\n0::/"
    mounts = [MEMORY, V1.format(root="/")]
    assert system(groups, mounts, **v1("/job", "250000", "100000")) == 2.5
    assert system(groups, mounts, **v1("/job", "-1", "100000")) is None
    files = {**v1("/job", "-1", "100000"), **v1("", "100000", "50000")}
    assert system(groups, mounts, **files) == 2


def test_both_versions_at_once(system):
    groups, mounts = "4:cpu,cpuacct:/job\n0::/job", [V2.format(root="/"), V1.format(root="/")]
    files = {**v1("/job", "400000", "100000"), **v2("/job", "300000 100000")}
    assert system(groups, mounts, **files) == 3


@pytest.mark.parametrize("text", ["", "nonsense", "1 2 3", "0 100000", "100000 0"])
def test_what_cannot_be_read_limits_nothing(system, text):
    assert system("0::/job", [V2.format(root="/")], **v2("/job", text)) is None


def test_a_system_without_control_groups(tmp_path):
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "cores", "expected"),
    [(None, 8, 8), (0.2, 8, 1), (1.0, 8, 1), (1.5, 8, 2), (2.0, 8, 2), (64.0, 8, 8), (3.1, 2, 2)],
)
def test_the_default_number_of_threads(monkeypatch, quota, cores, expected):
    monkeypatch.setattr(threads, "cpu_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    assert threads.usable_cores() == expected
