// SPDX-License-Identifier: GPL-2.0-or-later
// The system calls of the simulated kernel, in the steps of the real one.
#include "unit/registry_kernel.h"

#include <linux/sched.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace rseq::registry {

void SimulatedKernel::start_call(Thread& thread) {
    const std::size_t which = below(100);
    if (thread.tid == 1) {
        call_clone(thread); // init does nothing but fork, and never ends
    } else if (which < 25) {
        call_clone(thread);
    } else if (which < 55) {
        call_rseq(thread);
    } else if (which < 62) {
        call_prctl(thread);
    } else if (which < 75) {
        call_execve(thread);
    } else if (which < 80) {
        thread.steps.push_back(
            [name = "n" + std::to_string(below(10))](SimulatedKernel& k, pid_t tid) {
                k.threads_.at(tid).comm = name;
                k.tell(tid, event::Renamed{tid, name});
                return true;
            });
    } else if (which < 92) {
        begin_exit(thread);
    } else {
        thread.steps.push_back([](SimulatedKernel& k, pid_t tid) {
            Thread& self = k.threads_.at(tid);
            k.kill_others(self);
            k.begin_exit(self);
            return true;
        });
    }
}

void SimulatedKernel::call_clone(Thread& thread) {
    const auto number = free_number();
    if (!number) {
        thread.steps.push_back([](SimulatedKernel&, pid_t) { return true; });
        return;
    }
    std::uint64_t flags = 0;
    if (thread.tid != 1 && chance(40)) {
        flags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
    } else if (chance(30)) {
        flags = CLONE_VM | CLONE_VFORK;
    }
    if ((flags & CLONE_THREAD) == 0 && traits_.abi && chance(10)) {
        flags |= CLONE_INTO_CGROUP;
    }
    thread.steps.push_back([child = *number, flags](SimulatedKernel& k, pid_t tid) {
        const Thread& self = k.threads_.at(tid);
        // A fatal signal ends it, and so it does if another one took the number.
        if (self.must_exit || k.threads_.contains(child) || k.processes_.contains(child)) {
            k.threads_.at(tid).steps.clear();
            return true;
        }
        Thread made;
        made.tid = child;
        made.incarnation = ++k.incarnations_;
        made.comm = self.comm;
        if ((flags & CLONE_VM) == 0) {
            made.mode = self.mode;
            made.length = self.length;
            made.slice = self.slice;
        }
        if ((flags & CLONE_THREAD) != 0) {
            made.tgid = self.tgid;
            k.processes_.at(self.tgid).live++;
        } else {
            Process process = k.processes_.at(self.tgid);
            process.pid = child;
            process.live = 1;
            process.start_ns = k.now_;
            process.incarnation = k.incarnations_;
            if ((flags & CLONE_INTO_CGROUP) != 0) {
                process.cgroup = k.some_cgroup();
            }
            made.tgid = child;
            k.processes_[child] = process;
        }
        // It does not run before its start is told.
        made.steps.push_back([](SimulatedKernel&, pid_t) { return false; });
        k.threads_[child] = made;
        return true;
    });
    thread.steps.push_back([child = *number, flags](SimulatedKernel& k, pid_t tid) {
        Thread& made = k.threads_.at(child);
        k.tell(tid, event::ThreadStarted{child, flags, made.comm});
        made.steps.clear();
        return true;
    });
}

void SimulatedKernel::call_rseq(Thread& thread) {
    const bool registered = thread.mode != Mode::none;
    const pid_t told_tgid = traits_.abi ? thread.tgid : 0;
    if (registered && chance(60)) {
        const bool refused = chance(20);
        if (!refused) {
            thread.steps.push_back([](SimulatedKernel& k, pid_t tid) {
                Thread& self = k.threads_.at(tid);
                self.mode = Mode::none;
                self.length = 0;
                self.slice = SliceState::unavailable;
                return true;
            });
        }
        thread.steps.push_back([told_tgid, refused](SimulatedKernel& k, pid_t tid) {
            k.tell(tid, event::Unregistered{told_tgid, refused ? EPERM : 0});
            return true;
        });
        return;
    }
    const Policy policy = processes_.at(thread.tgid).policy;
    const std::uint32_t length = chance(50) ? 32 : 33;
    const bool enable = chance(30);
    const bool refused = registered || chance(10);
    if (!refused) {
        thread.steps.push_back([policy, length, enable](SimulatedKernel& k, pid_t tid) {
            Thread& self = k.threads_.at(tid);
            const bool v2 = length > 32 && policy.mode == PolicyMode::automatic;
            self.mode = v2 ? Mode::v2 : Mode::v1;
            self.length = length;
            self.slice = !v2 || !k.traits_.abi               ? SliceState::unavailable
                         : policy.slice == PolicySlice::deny ? SliceState::denied
                         : enable                            ? SliceState::enabled
                                                             : SliceState::available;
            return true;
        });
    }
    thread.steps.push_back([told_tgid, length, refused](SimulatedKernel& k, pid_t tid) {
        const Thread& self = k.threads_.at(tid);
        event::Registered told{told_tgid,           std::nullopt,        length, 0, 1,
                               SliceState::unknown, refused ? EINVAL : 0};
        if (k.traits_.abi) {
            told.version = static_cast<std::uint8_t>(refused ? 0 : (self.mode == Mode::v2 ? 2 : 1));
            told.slice = refused ? SliceState::unavailable : self.slice;
        }
        k.tell(tid, told);
        return true;
    });
}

void SimulatedKernel::call_prctl(Thread& thread) {
    const bool enable = chance(60);
    const bool can = thread.slice == SliceState::available || thread.slice == SliceState::enabled;
    if (!traits_.abi) {
        return; // nothing would tell of it
    }
    if (can) {
        thread.steps.push_back([enable](SimulatedKernel& k, pid_t tid) {
            k.threads_.at(tid).slice = enable ? SliceState::enabled : SliceState::available;
            return true;
        });
    }
    thread.steps.push_back([enable, can](SimulatedKernel& k, pid_t tid) {
        k.tell(tid, event::SliceEnabled{k.threads_.at(tid).tgid, enable, can ? 0 : 524});
        return true;
    });
}

void SimulatedKernel::kill_others(const Thread& thread) {
    for (auto& [tid, other] : threads_) {
        if (other.tgid == thread.tgid && &other != &thread && !other.exiting) {
            other.must_exit = true;
        }
    }
}

bool SimulatedKernel::others_are_gone(pid_t tid) {
    const Thread& self = threads_.at(tid);
    return std::all_of(threads_.begin(), threads_.end(), [&](const auto& entry) {
        const Thread& other = entry.second;
        return other.tgid != self.tgid || &other == &self ||
               (other.tid == other.tgid && other.zombie);
    });
}

void SimulatedKernel::take_number_of_group(pid_t tid) {
    Thread self = std::move(threads_.at(tid));
    threads_.erase(tid);
    self.tid = self.tgid;
    threads_[self.tid] = std::move(self); // in place of the old leader
}

void SimulatedKernel::call_execve(Thread& thread) {
    const pid_t caller = thread.tid;
    const pid_t tgid = thread.tgid;
    const bool fails = chance(5);
    const std::string program = "/bin/p" + std::to_string(below(10));
    thread.steps.push_back([](SimulatedKernel& k, pid_t tid) {
        if (!k.threads_.at(tid).must_exit) {
            k.kill_others(k.threads_.at(tid));
        }
        return true;
    });
    thread.steps.push_back([](SimulatedKernel& k, pid_t tid) {
        if (k.threads_.at(tid).must_exit) {
            k.threads_.at(tid).steps.clear(); // another one was faster
            return true;
        }
        if (!k.others_are_gone(tid)) {
            return false;
        }
        if (tid != k.threads_.at(tid).tgid) {
            k.take_number_of_group(tid);
        }
        return true;
    });
    // From here on it has the number of the group.
    thread.steps.push_back([tgid](SimulatedKernel& k, pid_t) {
        Process& process = k.processes_.at(tgid);
        const Policy policy = k.policy_of(process.cgroup);
        if (policy != Policy{}) {
            k.tell(tgid, event::PolicyLatched{tgid, policy});
        }
        k.threads_.at(tgid).steps.push_front([policy, tgid](SimulatedKernel& kernel, pid_t) {
            kernel.processes_.at(tgid).policy = policy;
            return true;
        });
        return true;
    });
    thread.steps.push_back([program](SimulatedKernel& k, pid_t tid) {
        Thread& self = k.threads_.at(tid);
        k.processes_.at(tid).exe = program;
        self.comm = program.substr(program.rfind('/') + 1);
        k.tell(tid, event::Renamed{tid, self.comm});
        return true;
    });
    if (fails) {
        thread.steps.push_back([](SimulatedKernel& k, pid_t tid) {
            k.begin_exit(k.threads_.at(tid));
            return true;
        });
        return;
    }
    thread.steps.push_back([caller, program](SimulatedKernel& k, pid_t tid) {
        k.tell(tid, event::Executed{tid, caller, program});
        k.threads_.at(tid).told_of_exec = true;
        return true;
    });
    thread.steps.push_back([](SimulatedKernel& k, pid_t tid) {
        Thread& self = k.threads_.at(tid);
        self.mode = Mode::none;
        self.length = 0;
        self.slice = SliceState::unavailable;
        self.told_of_exec = false;
        return true;
    });
}

void SimulatedKernel::begin_exit(Thread& thread) {
    thread.steps.push_back([](SimulatedKernel& k, pid_t tid) {
        k.threads_.at(tid).exiting = true;
        return true;
    });
    thread.steps.push_back([](SimulatedKernel& k, pid_t tid) {
        Thread& self = k.threads_.at(tid);
        const bool group_dead = --k.processes_.at(self.tgid).live == 0;
        self.steps.push_front([group_dead](SimulatedKernel& kernel, pid_t number) {
            kernel.tell(number, event::Exited{number, kernel.traits_.tells_group_dead
                                                          ? std::optional(group_dead)
                                                          : std::nullopt});
            return true;
        });
        return true;
    });
    thread.steps.push_back([](SimulatedKernel& k, pid_t tid) {
        Thread& self = k.threads_.at(tid);
        const pid_t tgid = self.tgid;
        self.zombie = true;
        if (tid != tgid) {
            k.threads_.erase(tid);
        }
        // The leader is kept for as long as there are others; its parent collects it at once.
        const auto leader = k.threads_.find(tgid);
        const bool others =
            std::any_of(k.threads_.begin(), k.threads_.end(), [&](const auto& entry) {
                return entry.second.tgid == tgid && entry.first != tgid;
            });
        if (!others && leader != k.threads_.end() && leader->second.zombie) {
            k.threads_.erase(tgid);
            k.processes_.erase(tgid);
        }
        return true;
    });
}

} // namespace rseq::registry
