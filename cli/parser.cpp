// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/parser.h"

#include <CLI/CLI.hpp>

#include <utility>

namespace rseq::cli {

const Option& Option::text(const std::string& text) const {
    option_->option_text(text);
    return *this;
}

const Option& Option::required() const {
    option_->required();
    return *this;
}

const Option& Option::single() const {
    option_->allow_extra_args(false);
    return *this;
}

const Option& Option::range(unsigned least, unsigned most) const {
    option_->check(CLI::Range(least, most));
    return *this;
}

const Option& Option::range(double least, double most) const {
    option_->check(CLI::Range(least, most));
    return *this;
}

const Option& Option::check(std::function<std::string(const std::string&)> judge) const {
    option_->check(CLI::Validator(std::move(judge), ""));
    return *this;
}

Parser Parser::add_verb(const std::string& name, const std::string& description) const {
    return Parser(parser_->add_subcommand(name, description));
}

void Parser::require_verb() const {
    parser_->require_subcommand(1);
}

bool Parser::was_given() const {
    return parser_->parsed();
}

void Parser::stop_at_argument() const {
    parser_->positionals_at_end(true);
}

void Parser::add_flag(const std::string& names, bool& value, const std::string& description) const {
    parser_->add_flag(names, value, description);
}

Option Parser::add_option(const std::string& names, std::string& value,
                          const std::string& description) const {
    return Option(parser_->add_option(names, value, description));
}

Option Parser::add_option(const std::string& names, std::optional<std::string>& value,
                          const std::string& description) const {
    return Option(parser_->add_option(names, value, description));
}

Option Parser::add_option(const std::string& names, std::vector<std::string>& values,
                          const std::string& description) const {
    return Option(parser_->add_option(names, values, description));
}

Option Parser::add_option(const std::string& names, unsigned& value,
                          const std::string& description) const {
    return Option(parser_->add_option(names, value, description));
}

Option Parser::add_option(const std::string& names, double& value,
                          const std::string& description) const {
    return Option(parser_->add_option(names, value, description));
}

Option Parser::add_option(const std::string& names,
                          const std::function<void(const std::string&)>& take,
                          const std::string& description) const {
    return Option(parser_->add_option_function<std::string>(names, take, description));
}

} // namespace rseq::cli
