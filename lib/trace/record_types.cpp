// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/record_types.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace rseq::trace {

namespace {

constexpr std::int32_t unregister_flag = 1; // RSEQ_FLAG_UNREGISTER of linux/rseq.h
constexpr std::int32_t unified_hierarchy = 0;

/// Kernels return -errno, and have none beyond 4095. A number that is none is an error all the
/// same.
std::int32_t error_of(std::int64_t ret) {
    constexpr std::int64_t largest_errno = 4095;
    return ret < 0 ? static_cast<std::int32_t>(-std::max(ret, -largest_errno)) : 0;
}

class NewTask final : public RecordType {
public:
    explicit NewTask(Format& format)
        : pid_(format.number("pid")), clone_flags_(format.number("clone_flags")),
          comm_(format.text("comm")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        event.payload = event::ThreadStarted{record.number<pid_t>(pid_),
                                             record.number<std::uint64_t>(clone_flags_),
                                             std::string(record.text(comm_))};
        return Verdict::event;
    }

private:
    Field pid_, clone_flags_, comm_;
};

class Rename final : public RecordType {
public:
    // Some kernels do not say who is renamed. Nearly always it is the thread that runs; the other
    // way is a write to /proc/PID/task/TID/comm.
    explicit Rename(Format& format)
        : pid_(format.number_if_any("pid")), comm_(format.text("newcomm")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        event.payload = event::Renamed{pid_.exists() ? record.number<pid_t>(pid_) : event.tid,
                                       std::string(record.text(comm_))};
        return Verdict::event;
    }

private:
    Field pid_, comm_;
};

class Exec final : public RecordType {
public:
    explicit Exec(Format& format)
        : pid_(format.number("pid")), old_pid_(format.number("old_pid")),
          filename_(format.text("filename")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        event.payload = event::Executed{record.number<pid_t>(pid_), record.number<pid_t>(old_pid_),
                                        std::string(record.text(filename_))};
        return Verdict::event;
    }

private:
    Field pid_, old_pid_, filename_;
};

class Exit final : public RecordType {
public:
    explicit Exit(Format& format)
        : pid_(format.number("pid")), group_dead_(format.number_if_any("group_dead")) {}

    Verdict decode(Record& record, SyscallPairs& calls, Event& event) const override {
        event::Exited exited{record.number<pid_t>(pid_), std::nullopt};
        if (group_dead_.exists()) {
            exited.group_dead = record.number<std::uint8_t>(group_dead_) != 0;
        }
        calls.forget(exited.tid);
        event.payload = exited;
        return Verdict::event;
    }

private:
    Field pid_, group_dead_;
};

class CgroupMkdir final : public RecordType {
public:
    explicit CgroupMkdir(Format& format)
        : root_(format.number("root")), id_(format.number("id")), path_(format.text("path")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        if (record.number<std::int32_t>(root_) != unified_hierarchy) {
            return Verdict::ignored;
        }
        event.payload =
            event::CgroupMade{record.number<std::uint64_t>(id_), std::string(record.text(path_))};
        return Verdict::event;
    }

private:
    Field root_, id_, path_;
};

class CgroupAttach final : public RecordType {
public:
    explicit CgroupAttach(Format& format)
        : root_(format.number("dst_root")), pid_(format.number("pid")),
          id_(format.number("dst_id")), path_(format.text("dst_path")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        if (record.number<std::int32_t>(root_) != unified_hierarchy) {
            return Verdict::ignored;
        }
        event.payload =
            event::CgroupEntered{record.number<pid_t>(pid_), record.number<std::uint64_t>(id_),
                                 std::string(record.text(path_))};
        return Verdict::event;
    }

private:
    Field root_, pid_, id_, path_;
};

class RseqRegister final : public RecordType {
public:
    explicit RseqRegister(Format& format)
        : tgid_(format.number("tgid")), version_(format.number("version")),
          length_(format.number("len")), flags_(format.number("flags")),
          signature_(format.number("sig")), slice_(format.number("slice")),
          ret_(format.number("ret")), slices_(format.symbols("slice")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        event.payload = event::Registered{
            .tgid = record.number<pid_t>(tgid_),
            .version = record.number<std::uint8_t>(version_),
            .length = record.number<std::uint32_t>(length_),
            .flags = record.number<std::int32_t>(flags_),
            .signature = record.number<std::uint32_t>(signature_),
            .slice = parse_slice_state(slices_.word(record.number<std::uint64_t>(slice_)))
                         .value_or(SliceState::unknown),
            .error = error_of(record.number<std::int64_t>(ret_))};
        return Verdict::event;
    }

private:
    Field tgid_, version_, length_, flags_, signature_, slice_, ret_;
    Symbols slices_;
};

class RseqUnregister final : public RecordType {
public:
    explicit RseqUnregister(Format& format)
        : tgid_(format.number("tgid")), ret_(format.number("ret")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        event.payload = event::Unregistered{record.number<pid_t>(tgid_),
                                            error_of(record.number<std::int64_t>(ret_))};
        return Verdict::event;
    }

private:
    Field tgid_, ret_;
};

class RseqViolation final : public RecordType {
public:
    explicit RseqViolation(Format& format)
        : tgid_(format.number("tgid")), version_(format.number("version")),
          reason_(format.number("reason")), expected_(format.number("expected")),
          found_(format.number("found")), ip_(format.number("ip")),
          reasons_(format.symbols("reason")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        event.payload =
            event::Violation{.tgid = record.number<pid_t>(tgid_),
                             .version = record.number<std::uint8_t>(version_),
                             .reason = reasons_.word(record.number<std::uint64_t>(reason_)),
                             .expected = record.number<std::uint64_t>(expected_),
                             .found = record.number<std::uint64_t>(found_),
                             .ip = record.number<std::uint64_t>(ip_)};
        return Verdict::event;
    }

private:
    Field tgid_, version_, reason_, expected_, found_, ip_;
    Symbols reasons_;
};

class RseqPolicy final : public RecordType {
public:
    explicit RseqPolicy(Format& format)
        : tgid_(format.number("tgid")), mode_(format.number("mode")),
          slice_(format.number("slice")), modes_(format.symbols("mode")),
          slices_(format.symbols("slice")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        const auto policy = parse_policy(modes_.word(record.number<std::uint64_t>(mode_)) + " " +
                                         slices_.word(record.number<std::uint64_t>(slice_)));
        if (!policy) {
            return Verdict::malformed;
        }
        event.payload = event::PolicyLatched{record.number<pid_t>(tgid_), *policy};
        return Verdict::event;
    }

private:
    Field tgid_, mode_, slice_;
    Symbols modes_, slices_;
};

class RseqSliceEnable final : public RecordType {
public:
    explicit RseqSliceEnable(Format& format)
        : tgid_(format.number("tgid")), enable_(format.number("enable")),
          ret_(format.number("ret")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        event.payload = event::SliceEnabled{record.number<pid_t>(tgid_),
                                            record.number<std::uint8_t>(enable_) != 0,
                                            error_of(record.number<std::int64_t>(ret_))};
        return Verdict::event;
    }

private:
    Field tgid_, enable_, ret_;
};

class RseqSliceGrant final : public RecordType {
public:
    explicit RseqSliceGrant(Format& format)
        : tgid_(format.number("tgid")), length_(format.number("ns")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        event.payload =
            event::SliceGranted{record.number<pid_t>(tgid_), record.number<std::uint32_t>(length_)};
        return Verdict::event;
    }

private:
    Field tgid_, length_;
};

class RseqSliceEnd final : public RecordType {
public:
    explicit RseqSliceEnd(Format& format)
        : tgid_(format.number("tgid")), reason_(format.number("reason")),
          held_(format.number("held_ns")), reasons_(format.symbols("reason")) {}

    Verdict decode(Record& record, SyscallPairs&, Event& event) const override {
        event.payload = event::SliceEnded{record.number<pid_t>(tgid_),
                                          reasons_.word(record.number<std::uint64_t>(reason_)),
                                          record.number<std::uint64_t>(held_)};
        return Verdict::event;
    }

private:
    Field tgid_, reason_, held_;
    Symbols reasons_;
};

class SyscallEnter final : public RecordType {
public:
    explicit SyscallEnter(Format& format)
        : length_(format.number("rseq_len")), flags_(format.number("flags")),
          signature_(format.number("sig")) {}

    Verdict decode(Record& record, SyscallPairs& calls, Event& event) const override {
        // Each argument is kept as a whole register; the kernel looks at the lower half of these.
        const RseqCall call{.length = record.number<std::uint32_t>(length_),
                            .flags = record.number<std::int32_t>(flags_),
                            .signature = record.number<std::uint32_t>(signature_)};
        if (!record.malformed()) {
            calls.enter(event.tid, event.time_ns, call);
        }
        return Verdict::ignored; // until it returns
    }

private:
    Field length_, flags_, signature_;
};

class SyscallExit final : public RecordType {
public:
    explicit SyscallExit(Format& format) : ret_(format.number("ret")) {}

    Verdict decode(Record& record, SyscallPairs& calls, Event& event) const override {
        const std::int32_t error = error_of(record.number<std::int64_t>(ret_));
        const auto call = calls.leave(event.tid);
        if (!call) {
            return Verdict::ignored;
        }
        if ((call->flags & unregister_flag) != 0) {
            event.payload = event::Unregistered{.tgid = 0, .error = error};
        } else {
            event.payload = event::Registered{.tgid = 0,
                                              .version = std::nullopt,
                                              .length = call->length,
                                              .flags = call->flags,
                                              .signature = call->signature,
                                              .slice = SliceState::unknown,
                                              .error = error};
        }
        return Verdict::event;
    }

private:
    Field ret_;
};

template <class T>
Result<std::unique_ptr<const RecordType>> make(Format& format) {
    auto type = std::make_unique<const T>(format);
    if (auto complete = format.complete(); !complete) {
        return tl::unexpected<Error>(complete.error());
    }
    return type;
}

} // namespace

Result<std::unique_ptr<const RecordType>> make_record_type(Kind kind, Format& format) {
    switch (kind) {
    case Kind::new_task:
        return make<NewTask>(format);
    case Kind::rename:
        return make<Rename>(format);
    case Kind::exec:
        return make<Exec>(format);
    case Kind::exit:
        return make<Exit>(format);
    case Kind::cgroup_mkdir:
        return make<CgroupMkdir>(format);
    case Kind::cgroup_attach:
        return make<CgroupAttach>(format);
    case Kind::rseq_register:
        return make<RseqRegister>(format);
    case Kind::rseq_unregister:
        return make<RseqUnregister>(format);
    case Kind::rseq_violation:
        return make<RseqViolation>(format);
    case Kind::rseq_policy:
        return make<RseqPolicy>(format);
    case Kind::rseq_slice_enable:
        return make<RseqSliceEnable>(format);
    case Kind::rseq_slice_grant:
        return make<RseqSliceGrant>(format);
    case Kind::rseq_slice_end:
        return make<RseqSliceEnd>(format);
    case Kind::syscall_enter:
        return make<SyscallEnter>(format);
    case Kind::syscall_exit:
        break;
    }
    return make<SyscallExit>(format);
}

} // namespace rseq::trace
