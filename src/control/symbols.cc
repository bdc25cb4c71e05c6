#include "control/symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>

namespace sluice::control {

namespace {

// A part of the file as an array; empty when the file is too short for it.
template <class T>
std::span<const T> part(const std::vector<char>& file, std::uint64_t offset, std::uint64_t count) {
  if (offset > file.size() || count > (file.size() - offset) / sizeof(T) || offset % alignof(T) != 0) return {};
  return {reinterpret_cast<const T*>(file.data() + offset), count};
}

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}

// Where the program itself was loaded: the first that is told.
std::uintptr_t program_base() {
  std::uintptr_t base = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uintptr_t*>(out) = info->dlpi_addr;
        return 1;
      },
      &base);
  return base;
}

}  // namespace

Symbols::Symbols() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  file_.assign(std::istreambuf_iterator<char>(file), {});
  const auto head = part<ElfW(Ehdr)>(file_, 0, 1);
  if (head.empty() || std::memcmp(head[0].e_ident, ELFMAG, SELFMAG) != 0) return;
  const auto sections = part<ElfW(Shdr)>(file_, head[0].e_shoff, head[0].e_shnum);
  for (const auto& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const auto& names = sections[section.sh_link];
    const auto text = part<char>(file_, names.sh_offset, names.sh_size);
    if (text.empty() || text.back() != '\0') continue;
    for (const auto& symbol : part<ElfW(Sym)>(file_, section.sh_offset, section.sh_size / sizeof(ElfW(Sym))))
      if ((symbol.st_info & 0xf) == STT_FUNC && symbol.st_value != 0 && symbol.st_name < text.size())
        functions_.push_back({symbol.st_value, symbol.st_size, text.data() + symbol.st_name});
  }
  std::ranges::sort(functions_, {}, &Function::start);
}

const Symbols::Function* Symbols::find(std::uintptr_t offset) const {
  const auto next = std::ranges::upper_bound(functions_, offset, {}, &Function::start);
  if (next == functions_.begin()) return nullptr;
  const Function& found = *std::prev(next);
  return offset - found.start < std::max<std::uintptr_t>(found.size, 1) ? &found : nullptr;
}

std::string Symbols::name(const void* address) const {
  const auto value = reinterpret_cast<std::uintptr_t>(address);
  const std::uintptr_t base = program_base();
  if (const Function* const ours = value > base ? find(value - base) : nullptr)
    return fmt::format("{}+{:#x}", demangled(ours->name), value - base - ours->start);
  Dl_info info{};
  if (::dladdr(address, &info) == 0 || info.dli_fname == nullptr) return fmt::format("{:#x}", value);
  const char* const slash = std::strrchr(info.dli_fname, '/');
  const char* const library = slash != nullptr ? slash + 1 : info.dli_fname;
  if (info.dli_sname == nullptr)
    return fmt::format("{}+{:#x}", library, value - reinterpret_cast<std::uintptr_t>(info.dli_fbase));
  return fmt::format("{} {}+{:#x}", library, demangled(info.dli_sname),
                     value - reinterpret_cast<std::uintptr_t>(info.dli_saddr));
}

}  // namespace sluice::control
