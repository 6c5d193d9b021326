// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/cgroup.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <string_view>

using namespace rseq::proc;
using namespace std::string_literals;

namespace {

int code_of(std::string_view text) {
    const auto path = parse_cgroup(text);
    return path ? 0 : path.error().code;
}

std::string unit(std::string_view path) {
    return unit_of_cgroup(path).display_name();
}

const std::string& id() {
    static const std::string text =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    return text;
}
const std::string& other_id() {
    static const std::string text(64, 'f');
    return text;
}
const std::string& uid() {
    static const std::string text = "31dd0274-bb43-4975-bdbc-7e10047a23f8";
    return text;
}
const std::string& escaped_uid() {
    static const std::string text = "31dd0274_bb43_4975_bdbc_7e10047a23f8";
    return text;
}
const std::string& in_pod() {
    static const std::string text = "kubernetes/" + uid() + "/0123456789ab";
    return text;
}

} // namespace

TEST(ParseCgroup, ReadsTheUnifiedHierarchy) {
    EXPECT_EQ(parse_cgroup("0::/system.slice/mongod.service\n"), "/system.slice/mongod.service");
    EXPECT_EQ(parse_cgroup("0::/\n"), "/");
}

TEST(ParseCgroup, OnAHybridMachineReadsTheHierarchyOfSystemd) {
    EXPECT_EQ(parse_cgroup("12:memory:/system.slice\n"
                           "1:name=systemd:/system.slice/mongod.service\n"
                           "0::/system.slice/mongod.service\n"),
              "/system.slice/mongod.service");
    // Docker with its own cgroup driver leaves the unified hierarchy as it was.
    EXPECT_EQ(
        parse_cgroup("1:name=systemd:/docker/" + id() + "\n0::/system.slice/containerd.service\n"),
        "/docker/" + id());
}

TEST(ParseCgroup, AHierarchyOfSystemdThatNobodyUsesDoesNotHideTheUnifiedOne) {
    EXPECT_EQ(parse_cgroup("1:name=systemd:/\n0::/system.slice/mongod.service\n"),
              "/system.slice/mongod.service");
    EXPECT_EQ(parse_cgroup("1:name=systemd:/\n0::/\n"), "/");
}

TEST(ParseCgroup, OnAV1MachineReadsTheHierarchyOfSystemdToo) {
    EXPECT_EQ(parse_cgroup("11:cpuset:/\n2:cpu,cpuacct:/foo\n1:name=systemd:/user.slice/a.scope\n"),
              "/user.slice/a.scope");
}

TEST(ParseCgroup, DoesNotTakeAnotherV1HierarchyForTheProcesssPlace) {
    EXPECT_EQ(code_of("11:memory:/a\n5:name=elogind:/b\n"), EPROTO);
    EXPECT_EQ(code_of("0:memory:/a\n"), EPROTO);
    EXPECT_EQ(code_of("1::/a\n"), EPROTO);
}

TEST(ParseCgroup, AColonBelongsToThePath) {
    EXPECT_EQ(parse_cgroup("0::/a:b::c\n"), "/a:b::c");
}

TEST(ParseCgroup, ANameIsTakenAsItsBytes) {
    EXPECT_EQ(parse_cgroup("0::/a\x1b[31m\xff\t) \n"), "/a\x1b[31m\xff\t) ");
    EXPECT_EQ(parse_cgroup("0::/../../x\n"), "/../../x");
    EXPECT_EQ(parse_cgroup("0::/a.service (deleted)\n"), "/a.service (deleted)");
}

TEST(ParseCgroup, RefusesTheTextCutOffAnywhereBehindTheLastWholeLine) {
    const std::string whole = "0::/system.slice/mongod.service\n";
    for (std::size_t length = 0; length < whole.size(); length++) {
        EXPECT_EQ(code_of(std::string_view(whole).substr(0, length)), EPROTO) << length;
    }
}

TEST(ParseCgroup, RefusesWhatIsNoCgroupFile) {
    EXPECT_EQ(code_of(""), EPROTO);
    EXPECT_EQ(code_of("\n\n\n"), EPROTO);
    EXPECT_EQ(code_of("0::\n"), EPROTO);
    EXPECT_EQ(code_of("0::relative\n"), EPROTO);
    EXPECT_EQ(code_of("0\n"), EPROTO);
    EXPECT_EQ(code_of(std::string(100000, '\0') + "\n"), EPROTO);
    EXPECT_EQ(code_of(std::string(100000, ':') + "\n"), EPROTO);
}

TEST(Unit, OfTheSystemIsNamedAsSystemctlNamesIt) {
    EXPECT_EQ(unit("/system.slice/mongod.service"), "mongod.service");
    EXPECT_EQ(unit("/init.scope"), "init.scope");
    EXPECT_EQ(unit("/system.slice/system-getty.slice/getty@tty1.service"), "getty@tty1.service");
    EXPECT_EQ(unit("/system.slice/dbus.socket"), "dbus.socket");
    EXPECT_EQ(unit("/system.slice/data-my\\x20disk.mount"), "data-my\\x20disk.mount");
    EXPECT_EQ(unit("/system.slice/dev-sda2.swap"), "dev-sda2.swap");
    EXPECT_EQ(unit("/user.slice/user-1000.slice/session-3.scope"), "session-3.scope");
    EXPECT_EQ(unit_of_cgroup("/system.slice/a.service").manager, Manager::system);
}

TEST(Unit, IsTheServiceWhateverTheServiceMakesBelowItself) {
    EXPECT_EQ(unit("/system.slice/systemd-udevd.service/udev"), "systemd-udevd.service");
    EXPECT_EQ(unit("/system.slice/a.service/b.service"), "a.service");
    EXPECT_EQ(unit("/system.slice/a.service/x.slice/b.service"), "a.service");
}

TEST(Unit, IsTheInnermostSliceForAProcessInNothingElse) {
    EXPECT_EQ(unit("/system.slice"), "system.slice");
    EXPECT_EQ(unit("/user.slice/user-1000.slice"), "user-1000.slice");
}

TEST(Unit, OfAUserIsNamedWithTheUser) {
    EXPECT_EQ(unit("/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service"),
              "user@1000/editor.service");
    EXPECT_EQ(unit("/user.slice/user-1000.slice/user@1000.service/init.scope"),
              "user@1000/init.scope");
    EXPECT_EQ(unit("/user.slice/user-1000.slice/user@1000.service/app.slice/"
                   "app-org.gnome.Terminal.slice/vte-spawn-1.scope"),
              "user@1000/vte-spawn-1.scope");
    const Unit user = unit_of_cgroup("/user.slice/user-7.slice/user@7.service/a.service");
    EXPECT_EQ(user, (Unit{Manager::user, "a.service", "7"}));
}

TEST(Unit, OfAUsersManagerAloneIsTheManagersOwnService) {
    EXPECT_EQ(unit("/user.slice/user-1000.slice/user@1000.service"), "user@1000.service");
    EXPECT_EQ(unit("/user.slice/user-1000.slice/user@1000.service/app.slice"), "user@1000.service");
    EXPECT_EQ(unit("/user.slice/user@x.service/a.service"), "user@x.service");
}

TEST(Unit, NamesThatSystemdEscapedAreUnescaped) {
    EXPECT_EQ(unit("/system.slice/_cpu.service"), "cpu.service");
    EXPECT_EQ(unit("/_memory.slice/a.service"), "a.service");
    EXPECT_EQ(unit("/system.slice/__x.service"), "_x.service");
    EXPECT_EQ(unit("/user.slice/user-1.slice/user@1.service/_io.service"), "user@1/io.service");
}

TEST(Unit, IsStillNamedWhenItsCgroupWasRemoved) {
    EXPECT_EQ(unit("/system.slice/mongod.service (deleted)"), "mongod.service");
    EXPECT_EQ(unit("/system.slice/docker-" + id() + ".scope (deleted)"), "docker/0123456789ab");
    EXPECT_EQ(unit("/docker/" + id() + " (deleted)"), "docker/0123456789ab");
    EXPECT_EQ(unit("/user.slice/user-1.slice/user@1.service/a.service (deleted)"),
              "user@1/a.service");
}

TEST(Unit, IsNoneForACgroupThatNobodyKnown) {
    for (const std::string_view path :
         {"/", "", "//", "/foo", "/foo/bar", "/lxc.payload.c1/a.service", "/.service",
          "/system.slice/plain"}) {
        EXPECT_EQ(unit_of_cgroup(path), Unit{}) << path;
        EXPECT_EQ(unit(path), "") << path;
    }
}

TEST(Unit, IsNoneOutsideTheCgroupNamespaceOfTheReader) {
    EXPECT_EQ(unit("/.."), "");
    EXPECT_EQ(unit("/../../x"), "");
    // Might be a unit of the system or of any user: relative to what cannot be seen from here.
    EXPECT_EQ(unit("/../b.service"), "");
    EXPECT_EQ(unit("/../cri-containerd-" + id() + ".scope"), "kubernetes/0123456789ab");
}

TEST(Container, OfDockerIsFoundWithEitherCgroupDriver) {
    EXPECT_EQ(unit("/system.slice/docker-" + id() + ".scope"), "docker/0123456789ab");
    EXPECT_EQ(unit("/docker/" + id()), "docker/0123456789ab");
    EXPECT_EQ(unit("/my.slice/docker-" + id() + ".scope"), "docker/0123456789ab");
    EXPECT_EQ(
        unit("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + id() + ".scope"),
        "docker/0123456789ab");
}

TEST(Container, OfPodmanIsFoundForRootAndForUsers) {
    EXPECT_EQ(unit("/machine.slice/libpod-" + id() + ".scope/container"), "podman/0123456789ab");
    EXPECT_EQ(unit("/machine.slice/libpod-" + id() + ".scope"), "podman/0123456789ab");
    EXPECT_EQ(unit("/libpod_parent/libpod-" + id()), "podman/0123456789ab");
    EXPECT_EQ(unit("/machine.slice/machine-libpod_pod_" + other_id() + ".slice/libpod-" + id() +
                   ".scope/container"),
              "podman/0123456789ab");
    EXPECT_EQ(unit("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id() +
                   ".scope/container"),
              "podman/0123456789ab");
    EXPECT_EQ(unit("/user.slice/user-1000.slice/user@1000.service/user.slice/"
                   "user-libpod_pod_" +
                   other_id() + ".slice/libpod-" + id() + ".scope/container"),
              "podman/0123456789ab");
}

TEST(Container, ThatPodmanRunsWithinAServiceBelongsToTheService) {
    EXPECT_EQ(unit("/system.slice/web.service/libpod-payload-" + id()), "web.service");
    EXPECT_EQ(unit("/system.slice/web.service/runtime"), "web.service");
}

TEST(Container, DoesNotIncludeItsMonitor) {
    EXPECT_EQ(unit("/machine.slice/libpod-conmon-" + id() + ".scope"),
              "libpod-conmon-" + id() + ".scope");
    EXPECT_EQ(unit_of_cgroup("/libpod_parent/conmon"), Unit{});
    EXPECT_EQ(unit("/kubepods.slice/kubepods-pod" + escaped_uid() + ".slice/crio-conmon-" + id() +
                   ".scope"),
              "crio-conmon-" + id() + ".scope");
}

TEST(Container, OfKubernetesHasItsPodWithSystemdsDriver) {
    const auto expect_in_pod = [](const std::string& scope) {
        EXPECT_EQ(unit("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" +
                       escaped_uid() + ".slice/" + scope),
                  in_pod());
        EXPECT_EQ(unit("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" +
                       escaped_uid() + ".slice/" + scope + "/container"),
                  in_pod());
        EXPECT_EQ(unit("/kubepods.slice/kubepods-pod" + escaped_uid() + ".slice/" + scope),
                  in_pod());
    };
    expect_in_pod("cri-containerd-" + id() + ".scope");
    expect_in_pod("crio-" + id() + ".scope");
    expect_in_pod("docker-" + id() + ".scope");
}

TEST(Container, OfKubernetesHasItsPodWithTheCgroupfsDriver) {
    EXPECT_EQ(unit("/kubepods/burstable/pod" + uid() + "/" + id()), in_pod());
    EXPECT_EQ(unit("/kubepods/besteffort/pod" + uid() + "/crio-" + id()), in_pod());
    EXPECT_EQ(unit("/kubepods/pod" + uid() + "/" + id()), in_pod());
    EXPECT_EQ(unit("/system.slice/k3s.service/kubepods/burstable/pod" + uid() + "/" + id()),
              in_pod());
}

TEST(Container, OfKubernetesIsFoundWhereOnlyTheKubeletUsesSystemdsNames) {
    EXPECT_EQ(unit("/system.slice/containerd.service/kubepods-burstable-pod" + escaped_uid() +
                   ".slice:cri-containerd:" + id()),
              in_pod());
    EXPECT_EQ(unit("/kubepods-besteffort-pod" + escaped_uid() + ".slice:cri-containerd:" + id()),
              in_pod());
}

TEST(Container, OfKubernetesIsFoundBelowAnotherCgroupRoot) {
    EXPECT_EQ(unit("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
                   "kubelet-kubepods-besteffort-pod" +
                   escaped_uid() + ".slice/cri-containerd-" + id() + ".scope"),
              in_pod());
    EXPECT_EQ(unit("/kubelet/kubepods/besteffort/pod" + uid() + "/" + id()), in_pod());
}

TEST(Container, OfAStaticPodHasTheHashThatIsItsUid) {
    const std::string hash = "8daa50c3a64c9ff60bb9eab7b44b56fd";
    EXPECT_EQ(unit("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + hash +
                   ".slice/cri-containerd-" + id() + ".scope"),
              "kubernetes/" + hash + "/0123456789ab");
    EXPECT_EQ(unit("/kubepods/burstable/pod" + hash + "/" + id()),
              "kubernetes/" + hash + "/0123456789ab");
}

TEST(Container, IsTheOutermostWhateverRunsInsideIt) {
    EXPECT_EQ(unit("/system.slice/docker-" + id() + ".scope/system.slice/nginx.service"),
              "docker/0123456789ab");
    EXPECT_EQ(unit("/machine.slice/libpod-" + id() + ".scope/container/init.scope"),
              "podman/0123456789ab");
    EXPECT_EQ(unit("/docker/" + id() + "/docker/" + other_id()), "docker/0123456789ab");
    EXPECT_EQ(unit("/docker/" + id() +
                   "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + escaped_uid() +
                   ".slice/cri-containerd-" + other_id() + ".scope"),
              "docker/0123456789ab");
}

TEST(Container, OfAnotherKindIsTheUnitThatItsManagerMade) {
    EXPECT_EQ(unit("/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service"),
              "systemd-nspawn@web.service");
    EXPECT_EQ(unit("/system.slice/nerdctl-" + id() + ".scope"), "nerdctl-" + id() + ".scope");
}

TEST(Container, NeedsAnIdOf64HexadecimalDigits) {
    for (const std::string& bad :
         {id().substr(1), id() + "0", "g" + id().substr(1), "A" + id().substr(1), ""s, "x"s}) {
        EXPECT_EQ(unit("/system.slice/docker-" + bad + ".scope"), "docker-" + bad + ".scope");
        EXPECT_EQ(unit("/docker/" + bad), "");
    }
    EXPECT_EQ(unit("/" + id()), "");
    EXPECT_EQ(unit("/docker/x/" + id()), "");
    EXPECT_EQ(unit("/pod" + uid() + "/" + id()), "") << "a pod outside of the kubelet's tree";
}

TEST(Unit, NamesAreTakenAsTheirBytes) {
    EXPECT_EQ(unit_of_cgroup("/system.slice/a\x1b\xff).service").name, "a\x1b\xff).service");
}

TEST(Unit, OfAPathOfAQuarterMegabyteIsFoundAtOnce) {
    std::string deep;
    while (deep.size() < 256UL * 1024) {
        deep += "/a.slice";
    }
    EXPECT_EQ(unit(deep + "/x.service"), "x.service");
    EXPECT_EQ(unit("/kubepods" + deep), "");
}

TEST(Manager, HasAWordForJson) {
    EXPECT_EQ(to_string(Manager::none), "none");
    EXPECT_EQ(to_string(Manager::system), "system");
    EXPECT_EQ(to_string(Manager::user), "user");
    EXPECT_EQ(to_string(Manager::docker), "docker");
    EXPECT_EQ(to_string(Manager::podman), "podman");
    EXPECT_EQ(to_string(Manager::kubernetes), "kubernetes");
}
