// Snapshots of a whole machine: savevm, loadvm, delvm and info snapshots, and -loadvm. One is a
// file NAME.ulna-snapshot in a folder (snapshot_file.h).
//
// While one is made or loaded all CPUs are parked, nothing of a device is in flight, and the
// machine's lock is held. A snapshot that does not fit, or is damaged, changes nothing: RAM and the
// like are put aside until all has been read, and devices get back the state that they had.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/devices/state_image.h"
#include "runtime/devices/state_visitor.h"

namespace ulna::system {

class Board;
class Machine;
class SnapshotReader;
class SnapshotWriter;
struct SystemOptions;

class Snapshots {
  public:
    // What a machine is made of, as words of the command line and their values: a snapshot only
    // fits one that has the same.
    using Configuration = std::vector<std::pair<std::string, std::string>>;

    Snapshots(Machine& machine, Board& board, const SystemOptions& options);

    // Each says why not, in one line, or nothing. From any thread, without the machine's lock.
    [[nodiscard]] std::string save(const std::string& name);
    [[nodiscard]] std::string load(const std::string& name);
    [[nodiscard]] const std::string& folder() const { return folder_; }

  private:
    using Parts = std::vector<devices::StatePart>;
    using Images = std::vector<std::unique_ptr<devices::StateImage>>;
    struct Loaded;

    [[nodiscard]] Configuration configuration() const;
    [[nodiscard]] Parts parts();
    [[nodiscard]] Images images();
    void write(SnapshotWriter& file, Configuration& configuration);
    [[nodiscard]] bool read(const SnapshotReader& file, Loaded& loaded, std::string& why_not);
    [[nodiscard]] bool fits(const SnapshotReader& file, std::string& why_not) const;
    [[nodiscard]] bool apply(const Loaded& loaded, std::string& why_not);

    Machine& machine_;
    Board& board_;
    std::string folder_;
    const Configuration configuration_; // without devices, which come and go
    std::mutex mutex_;                  // one at a time
};

} // namespace ulna::system
