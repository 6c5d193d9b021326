// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace rseq::cli {

/// An option that was added, to say more of it. All of it is kept by the program's parser.
class Option {
public:
    explicit Option(CLI::Option* option) : option_(option) {}

    /// What --help shows for its value.
    const Option& text(const std::string& text) const;
    const Option& required() const;
    /// One value for each time that it is named, where it would take all words that follow.
    const Option& single() const;
    const Option& range(unsigned least, unsigned most) const;
    const Option& range(double least, double most) const;
    /// Says what is wrong with a value, or nothing.
    const Option& check(std::function<std::string(const std::string& value)> judge) const;

private:
    CLI::Option* option_;
};

/// What the verbs see of CLI11. That consists of headers alone, with which a file takes three times
/// as long to compile, so they are in parser.cpp and where main() is. The names of an option are
/// separated by commas; one that does not begin with a dash is an argument. Values are written
/// while the command line is parsed, and have to outlive that.
class Parser {
public:
    explicit Parser(CLI::App* parser) : parser_(parser) {}

    [[nodiscard]] Parser add_verb(const std::string& name, const std::string& description) const;
    /// One of its verbs has to be given.
    void require_verb() const;
    [[nodiscard]] bool was_given() const;
    /// From the first argument on, all words are arguments.
    void stop_at_argument() const;

    void add_flag(const std::string& names, bool& value, const std::string& description) const;
    // NOLINTBEGIN(modernize-use-nodiscard)
    Option add_option(const std::string& names, std::string& value,
                      const std::string& description) const;
    Option add_option(const std::string& names, std::optional<std::string>& value,
                      const std::string& description) const;
    Option add_option(const std::string& names, std::vector<std::string>& values,
                      const std::string& description) const;
    Option add_option(const std::string& names, unsigned& value,
                      const std::string& description) const;
    Option add_option(const std::string& names, double& value,
                      const std::string& description) const;
    Option add_option(const std::string& names,
                      const std::function<void(const std::string& value)>& take,
                      const std::string& description) const;
    // NOLINTEND(modernize-use-nodiscard)

private:
    CLI::App* parser_;
};

} // namespace rseq::cli
