// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforce/unit_files.h"
#include "tmp_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace rseq;
using namespace rseq::enforce;
using rseq::test::TmpTree;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

class UnitFilesTest : public testing::Test {
protected:
    TmpTree files;

    [[nodiscard]] std::vector<std::string> folders() const {
        return {files.path("etc"), files.path("missing"), files.path("lib")};
    }
    [[nodiscard]] UnitFacts facts(const std::string& unit) const {
        return UnitFiles(folders()).facts(unit);
    }
};

TEST_F(UnitFilesTest, ServicesAreFilesAndWhatIsWanted) {
    files.file("lib/b.service", "");
    files.file("lib/t@.service", "");
    files.file("lib/other.socket", "");
    files.file("lib/b.service.d/more.conf", "");
    files.symlink("etc/a.service", "/dev/null");
    files.symlink("etc/multi-user.target.wants/t@one.service", "/lib/t@.service");
    files.symlink("lib/c.service.requires/d.service", "../d.service");
    EXPECT_THAT(UnitFiles(folders()).services(),
                ElementsAre("a.service", "b.service", "d.service", "t@.service", "t@one.service"));
    EXPECT_THAT(UnitFiles({files.path("missing")}).services(), IsEmpty());
}

TEST_F(UnitFilesTest, TheFileThatWinsMasks) {
    files.file("lib/a.service", "[Service]\n");
    files.symlink("etc/a.service", "/dev/null");
    files.file("etc/b.service", "[Service]\n");
    files.symlink("lib/b.service", "/dev/null");
    files.file("etc/d.service", "");
    files.symlink("etc/c.service", "/lib/a.service");
    const UnitFiles known(folders());
    EXPECT_TRUE(known.is_masked("a.service"));
    EXPECT_FALSE(known.is_masked("b.service"));
    EXPECT_FALSE(known.is_masked("c.service"));
    EXPECT_TRUE(known.is_masked("d.service"));
    EXPECT_FALSE(known.is_masked("missing.service"));
}

TEST_F(UnitFilesTest, APlainServiceSetsNothing) {
    files.file("lib/a.service", "[Service]\nExecStart=/bin/true\nEnvironment=A=1\n");
    const UnitFacts plain = facts("a.service");
    EXPECT_EQ(plain.id, "a.service");
    EXPECT_EQ(plain.slice, "");
    EXPECT_FALSE(plain.tunables_in_file);
    EXPECT_FALSE(plain.allow_list);
    EXPECT_EQ(facts("missing.service").id, "missing.service");
}

TEST_F(UnitFilesTest, AnAliasIsALinkToAnotherUnit) {
    files.file("lib/real.service", "");
    files.symlink("etc/alias.service", "/usr/lib/systemd/system/real.service");
    files.symlink("etc/real.service", "/opt/real.service");
    files.symlink("etc/linked.service", "/opt/linked-1.2.service");
    files.symlink("etc/masked.service", "/dev/null");
    EXPECT_EQ(facts("alias.service").id, "real.service");
    EXPECT_EQ(facts("real.service").id, "real.service");
    EXPECT_EQ(facts("linked.service").id, "linked.service");
    EXPECT_EQ(facts("masked.service").id, "masked.service");
}

TEST_F(UnitFilesTest, DropInsOfAnAliasAreThoseOfTheUnit) {
    files.file("lib/real.service", "");
    files.symlink("lib/alias.service", "real.service");
    files.symlink("etc/multi-user.target.wants/alias.service", "/lib/alias.service");
    files.file("etc/alias.service.d/1.conf", "[Service]\nEnvironment=GLIBC_TUNABLES=x\n");
    EXPECT_TRUE(facts("real.service").tunables_in_file);
}

TEST_F(UnitFilesTest, WhoeverMentionsTunablesSetsThem) {
    for (const char* const place :
         {"lib/a-b@.service", "etc/a-b@x.service.d/1.conf", "lib/a-b@.service.d/1.conf",
          "lib/a-.service.d/1.conf", "etc/service.d/1.conf"}) {
        EXPECT_FALSE(facts("a-b@x.service").tunables_in_file) << place;
        files.file(place, "[Service]\nEnvironment=\"GLIBC_TUNABLES=glibc.malloc.check=1\"\n");
        EXPECT_TRUE(facts("a-b@x.service").tunables_in_file) << place;
        files.remove(place);
    }
}

TEST_F(UnitFilesTest, WhatWeWroteDoesNotCount) {
    files.file("lib/a.service", "");
    files.file("etc/a.service.d/" + std::string(drop_in_name),
               "[Service]\nEnvironment=GLIBC_TUNABLES=x\nSystemCallFilter=~rseq:ENOSYS\n");
    EXPECT_FALSE(facts("a.service").tunables_in_file);
    EXPECT_FALSE(facts("a.service").allow_list);
}

TEST_F(UnitFilesTest, EnvironmentFilesAreReadWhereThatCannotHang) {
    const auto with = [&](const std::string& line) {
        files.file("lib/a.service", "[Service]\n" + line + "\n");
        return facts("a.service").tunables_in_file;
    };
    EXPECT_FALSE(with("EnvironmentFile=-/etc/missing-environment"));
    EXPECT_FALSE(with("EnvironmentFile=/etc/hostname"));
    EXPECT_TRUE(with("EnvironmentFile=/etc/default/%i"));
    EXPECT_TRUE(with("  EnvironmentFile = -/srv/app/env ")) << "it may, and is not looked at";
    files.file("with", "GLIBC_TUNABLES=x\n");
    files.file("without", "OTHER=x\n");
    EXPECT_TRUE(sets_tunables(files.path("with")));
    EXPECT_FALSE(sets_tunables(files.path("without")));
    EXPECT_FALSE(sets_tunables(files.path("missing")));
}

TEST_F(UnitFilesTest, TheLastSliceCounts) {
    files.file("lib/a.service", "[Service]\nSlice=first.slice\n");
    EXPECT_EQ(facts("a.service").slice, "first.slice");
    files.file("lib/a.service.d/1.conf", "[Service]\nSlice = second.slice\n#Slice=third.slice\n");
    EXPECT_EQ(facts("a.service").slice, "second.slice");
}

TEST_F(UnitFilesTest, AFilterOfAnyKindIsTakenForAList) {
    files.file("lib/a.service", "[Service]\nSystemCallFilter=~mount\n");
    EXPECT_TRUE(facts("a.service").allow_list);
}

TEST_F(UnitFilesTest, AFileThatIsTooLongMaySetAnything) {
    files.file("lib/a.service", std::string(300 * 1024, '#'));
    EXPECT_TRUE(facts("a.service").tunables_in_file);
    EXPECT_TRUE(facts("a.service").allow_list);
}

TEST_F(UnitFilesTest, WhatIsNoFileIsPassedOver) {
    files.fifo("lib/a.service");
    files.directory("lib/a.service.d/1.conf");
    files.file("lib/service.d", "");
    EXPECT_FALSE(facts("a.service").tunables_in_file);
}

} // namespace
