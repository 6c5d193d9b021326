// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/unit_pattern.h"

#include <gtest/gtest.h>

#include <string>

using namespace rseq::proc;

namespace {

std::string container_path(const std::string& prefix, const std::string& suffix) {
    return prefix + std::string(64, 'a') + suffix;
}

bool matches(const std::string& pattern, const std::string& cgroup) {
    return UnitPattern(pattern).matches(unit_of_cgroup(cgroup));
}

TEST(UnitPattern, TheFullName) {
    EXPECT_TRUE(matches("ssh.service", "/system.slice/ssh.service"));
    EXPECT_TRUE(matches("init.scope", "/init.scope"));
    EXPECT_FALSE(matches("ssh.socket", "/system.slice/ssh.service"));
    EXPECT_FALSE(matches("sh.service", "/system.slice/ssh.service"));
}

TEST(UnitPattern, WithoutASuffixAServiceIsMeant) {
    EXPECT_TRUE(matches("ssh", "/system.slice/ssh.service"));
    EXPECT_FALSE(matches("init", "/init.scope"));
    EXPECT_FALSE(matches("ss", "/system.slice/ssh.service"));
    EXPECT_TRUE(matches("user@1000", "/user.slice/user-1000.slice/user@1000.service"));
}

TEST(UnitPattern, AGlobNeedsItsSuffix) {
    EXPECT_TRUE(matches("ssh*", "/system.slice/ssh.service"));
    EXPECT_TRUE(matches("s[rs]h.service", "/system.slice/ssh.service"));
    EXPECT_TRUE(matches("ss?.service", "/system.slice/ssh.service"));
    EXPECT_FALSE(matches("ss?", "/system.slice/ssh.service"));
    EXPECT_FALSE(matches("[", "/system.slice/ssh.service"));
}

TEST(UnitPattern, InstancesOfATemplate) {
    EXPECT_TRUE(matches("getty@*", "/system.slice/system-getty.slice/getty@tty1.service"));
    EXPECT_TRUE(matches("getty@tty1", "/system.slice/system-getty.slice/getty@tty1.service"));
}

TEST(UnitPattern, UnitsOfAUserByTheirOwnNameOrWithTheUser) {
    const std::string cgroup = "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service";
    EXPECT_TRUE(matches("a.service", cgroup));
    EXPECT_TRUE(matches("a", cgroup));
    EXPECT_TRUE(matches("user@1000/a.service", cgroup));
    EXPECT_TRUE(matches("user@1000/*", cgroup));
    EXPECT_FALSE(matches("user@1001/*", cgroup));
}

TEST(UnitPattern, ContainersByTheirShortIdOrWithTheirManager) {
    const std::string docker = container_path("/system.slice/docker-", ".scope");
    EXPECT_TRUE(matches("aaaaaaaaaaaa", docker));
    EXPECT_TRUE(matches("docker/*", docker));
    EXPECT_TRUE(matches("docker/aaaaaaaaaaaa", docker));
    EXPECT_FALSE(matches("podman/*", docker));
    EXPECT_TRUE(matches("podman/*", container_path("/machine.slice/libpod-", ".scope")));
    const std::string pod = container_path("/kubepods/burstable/pod12-34/", "");
    EXPECT_TRUE(matches("kubernetes/12-34/aaaaaaaaaaaa", pod));
    EXPECT_TRUE(matches("kubernetes/12-34/*", pod));
    EXPECT_FALSE(matches("docker/*", pod));
}

TEST(UnitPattern, AProcessWithoutAUnitMatchesNothing) {
    for (const std::string pattern : {"*", "", ".service"}) {
        EXPECT_FALSE(matches(pattern, "/")) << pattern;
    }
}

TEST(UnitPattern, ADotIsNoSuffix) {
    EXPECT_TRUE(matches("org.example.App", "/system.slice/org.example.App.service"));
}

TEST(UnitPattern, ABackslashIsACharacterOfTheName) {
    const std::string cgroup = R"(/system.slice/a\x2db.service)";
    EXPECT_TRUE(matches(R"(a\x2db)", cgroup));
    EXPECT_TRUE(matches(R"(a\x2d*)", cgroup));
    EXPECT_FALSE(matches(R"(a\*)", "/system.slice/a*.service"));
}

TEST(UnitPattern, OneUnitOrMany) {
    EXPECT_TRUE(UnitPattern("ssh").is_literal());
    EXPECT_TRUE(UnitPattern("user@1000/a.service").is_literal());
    EXPECT_FALSE(UnitPattern("getty@*").is_literal());
    EXPECT_FALSE(UnitPattern("[a]").is_literal());
}

} // namespace
