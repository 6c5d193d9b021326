// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "daemon/clock.h"
#include "daemon/enforcer.h"
#include "daemon/log.h"
#include "tmp_tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rseq::daemon {

/// Answers when the test lets it.
class FakeManager : public ServiceManager {
public:
    std::vector<std::string> services;
    Facts facts;
    std::optional<Error> error;
    std::vector<std::string> asked;
    std::vector<std::function<void()>> waiting;
    std::function<void()> reloaded;

    void list_services(Answer<std::vector<std::string>> answer) override {
        asked.emplace_back("list");
        wait([this, answer] {
            answer(error ? Result<std::vector<std::string>>(tl::unexpected<Error>(*error))
                         : services);
        });
    }
    void ask(const std::vector<std::string>& units, Answer<Facts> answer) override {
        for (const std::string& unit : units) {
            asked.push_back("facts of " + unit);
        }
        wait([this, answer] {
            answer(error ? Result<Facts>(tl::unexpected<Error>(*error)) : facts);
        });
    }
    void reload(Answer<void> answer) override {
        asked.emplace_back("reload");
        wait([this, answer] {
            if (!error) {
                reloaded(); // the signal comes before the answer
            }
            answer(error ? Result<void>(tl::unexpected<Error>(*error)) : Result<void>());
        });
    }
    /// Gives all answers, and those to what they lead to.
    void answer() {
        while (!waiting.empty()) {
            answer_one();
        }
    }
    void answer_one() {
        const auto next = std::move(waiting.front());
        waiting.erase(waiting.begin());
        next();
    }

private:
    void wait(std::function<void()> answer) { waiting.push_back(std::move(answer)); }
};

class EnforcerTest : public testing::Test {
protected:
    test::TmpTree cgroups;
    test::TmpTree units;
    test::TmpTree generated;
    test::TmpTree runtime;
    KernelFacts facts;
    EventLoop loop;
    FakeManager* manager = nullptr;
    std::unique_ptr<Enforcer> enforcer;
    std::vector<Applied> applied;
    std::string hold_program = "/bin/true";

    EnforcerTest() {
        facts.abi = 1;
        log::set_max_level(2);
        sd_event* made = nullptr;
        EXPECT_GE(::sd_event_new(&made), 0);
        loop.reset(made);
        cgroup("");
        start();
    }

    /// A file that is still right after one line of it was written over, as no real one needs.
    void cgroup(const std::string& path) {
        cgroups.file("." + path + "/cgroup.rseq", "mode auto\n\n\nslice allow\n");
    }
    std::string content(const std::string& path) {
        return read_file(cgroups.open().get(), ("." + path + "/cgroup.rseq").c_str(), 100)
            .value_or("none");
    }
    std::uint64_t id(const std::string& path) {
        struct stat status {};
        EXPECT_EQ(::stat(cgroups.path("." + path).c_str(), &status), 0);
        return status.st_ino;
    }
    void start() {
        enforcer.reset();
        enforcer = std::make_unique<Enforcer>(
            loop.get(), facts, enforce::CgroupTree(cgroups.open()),
            EnforcerPlaces{units.path(), generated.path(), runtime.path(), hold_program});
        auto fake = std::make_unique<FakeManager>();
        manager = fake.get();
        manager->reloaded = [this] {
            enforcer->on_reloaded();
        };
        enforcer->set_service_manager(std::move(fake));
    }
    void apply(std::vector<policy::Rule> rules) {
        enforcer->apply(std::move(rules), [this](const Applied& one) { applied.push_back(one); });
    }
    void apply_and_answer(std::vector<policy::Rule> rules) {
        apply(std::move(rules));
        manager->answer();
    }
    void made(const std::string& path) {
        cgroup(path);
        enforcer->on_cgroup_made({id(path), path}, 1);
    }
    /// Lets the loop run until the service manager is asked something, but not for ever.
    void run_until_asked(std::uint64_t seconds) {
        const std::size_t asked = manager->asked.size();
        const std::uint64_t end = now_ns(CLOCK_MONOTONIC) + seconds * 1'000'000'000;
        std::uint64_t now = 0;
        while (manager->asked.size() == asked && (now = now_ns(CLOCK_MONOTONIC)) < end) {
            ::sd_event_run(loop.get(), (end - now) / 1000 + 1);
        }
    }
    [[nodiscard]] bool has_taken_over() const {
        return read_file(runtime.open().get(), enforce::applied_name, 1).has_value();
    }
    std::vector<std::string> drop_ins() {
        std::vector<std::string> names;
        for (const auto& [unit, text] : enforcer->drop_ins()) {
            names.push_back(unit);
        }
        return names;
    }
};

inline policy::Rule legacy(const std::string& unit) {
    policy::Rule rule;
    rule.name = "rule-for-" + unit;
    rule.match.unit = proc::UnitPattern(unit);
    rule.mode = PolicyMode::legacy;
    return rule;
}

} // namespace rseq::daemon
