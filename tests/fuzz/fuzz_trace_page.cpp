// SPDX-License-Identifier: GPL-2.0-or-later
// Pages of the ring buffer, decoded with the formats of every recorded kernel.
#include "core/file.h"
#include "fuzz.h"
#include "trace/decoder.h"
#include "trace/page.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <variant>
#include <vector>

namespace {

using rseq::trace::Decoder;
using rseq::trace::Page;
using rseq::trace::Verdict;

/// Memory right behind which there is none. The reader of pages is in a shared library that is not
/// instrumented: it has to be stopped by the processor.
class GuardedMemory {
public:
    GuardedMemory() {
        const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        void* const memory = ::mmap(nullptr, capacity + page, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        require(memory != MAP_FAILED, "there is memory");
        end_ = static_cast<std::byte*>(memory) + capacity;
        require(::mprotect(end_, page, PROT_NONE) == 0, "it has an end");
    }
    std::span<const std::byte> hold(const std::uint8_t* data, std::size_t size,
                                    std::size_t padded_size) {
        std::byte* const begin = end_ - padded_size;
        std::fill(begin, end_, std::byte{0});
        std::memcpy(begin, data, std::min(size, padded_size));
        return {begin, padded_size};
    }

    static constexpr std::size_t capacity = 64UL * 1024;

private:
    std::byte* end_ = nullptr;
};

Decoder load(const char* kernel) {
    const auto dir = rseq::open_directory(std::string(RSEQ_TRACE_DATA "/") + kernel + "/events");
    require(dir.has_value(), "the recordings are there");
    auto decoder = Decoder::load(dir->get());
    require(decoder.has_value(), "their formats are understood");
    return std::move(*decoder);
}

/// The texts of an event, which are the only parts of variable length.
std::size_t text_size(const rseq::Event& event) {
    using namespace rseq::event;
    if (const auto* executed = std::get_if<Executed>(&event.payload)) {
        return executed->filename.size();
    }
    if (const auto* made = std::get_if<CgroupMade>(&event.payload)) {
        return made->path.size();
    }
    if (const auto* entered = std::get_if<CgroupEntered>(&event.payload)) {
        return entered->path.size();
    }
    return 0;
}

void decode_all(Decoder& decoder, std::span<const std::byte> bytes) {
    Page page(decoder.page_shape());
    if (!page.load(bytes)) {
        require(!page.has_record(), "a page that is refused has no record");
        return;
    }
    std::size_t records = 0;
    const std::byte* last = bytes.data();
    for (; page.has_record(); page.next()) {
        const auto record = page.record();
        require(record.data() > last &&
                    record.data() + record.size() <= bytes.data() + bytes.size(),
                "records are within the page, one behind the other");
        last = record.data();
        require(++records <= bytes.size() / 4, "there is an end");
        // A copy without anything behind it.
        const std::vector<std::byte> copy(record.begin(), record.end());
        rseq::Event event;
        const Verdict verdict = decoder.decode(page.time_ns(), copy, event);
        if (verdict == Verdict::event) {
            require(event.time_ns == page.time_ns(), "an event has the time of its record");
            require(text_size(event) <= record.size(), "a text is part of its record");
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static GuardedMemory memory;
    static Decoder decoders[] = {load("6.18"), load("7.3")};
    if (size > GuardedMemory::capacity) {
        return 0;
    }
    for (Decoder& decoder : decoders) {
        decode_all(decoder, memory.hold(data, size, size));
        const std::size_t whole = decoder.page_shape().page_size;
        decode_all(decoder, memory.hold(data, size, whole));
    }
    return 0;
}
