// TensorFlow's own writer and reader of memory-mapped packages, for test_memmapped_tensorflow.py.
//
//   memmapped_package_peer write PATH          writes the package of tests/golden/memmapped
//   memmapped_package_peer read < LINES        for each line "PATH" or "PATH NAME...": the status code of
//                                              InitializeFromFile, then for each name its code and its bytes in hex
//   memmapped_package_peer name < LINES        for each line, a name: the status code of SaveTensor under it

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "tensorflow/core/framework/graph.pb.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/util/memmapped_file_system.h"
#include "tensorflow/core/util/memmapped_file_system_writer.h"

namespace tf = tensorflow;

static tf::Tensor Bytes() {
  tf::Tensor tensor(tf::DT_UINT8, tf::TensorShape({100}));
  for (int i = 0; i < 100; i++) tensor.flat<uint8_t>()(i) = i;
  return tensor;
}

static void Write(const std::string& path) {
  tf::MemmappedFileSystemWriter writer;
  CHECK_OK(writer.InitializeToFile(tf::Env::Default(), path));
  tf::Tensor floats(tf::DT_FLOAT, tf::TensorShape({3}));
  for (int i = 0; i < 3; i++) floats.flat<float>()(i) = i + 0.5f;
  CHECK_OK(writer.SaveTensor(floats, "memmapped_package://a_1.weights"));
  CHECK_OK(writer.SaveTensor(Bytes(), "memmapped_package://b"));
  tf::GraphDef graph;
  auto* node = graph.add_node();
  node->set_name("n");
  node->set_op("NoOp");
  CHECK_OK(writer.SaveProtobuf(graph, tf::MemmappedFileSystem::kMemmappedPackageDefaultGraphDef));
  CHECK_OK(writer.SaveTensor(Bytes(), "memmapped_package://"));
  CHECK_OK(writer.FlushAndClose());
}

static void Read() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string path, name;
    words >> path;
    tf::MemmappedEnv env(tf::Env::Default());
    auto status = env.InitializeFromFile(path);
    printf("%d", static_cast<int>(status.code()));
    while (words >> name) {
      std::unique_ptr<tf::ReadOnlyMemoryRegion> region;
      status = env.NewReadOnlyMemoryRegionFromFile(name, &region);
      printf(" %d:", static_cast<int>(status.code()));
      if (!status.ok()) continue;
      const auto* bytes = static_cast<const unsigned char*>(region->data());
      for (uint64_t i = 0; i < region->length(); i++) printf("%02x", bytes[i]);
    }
    printf("\n");
  }
}

static void Name() {
  std::string line;
  while (std::getline(std::cin, line)) {
    tf::MemmappedFileSystemWriter writer;
    CHECK_OK(writer.InitializeToFile(tf::Env::Default(), "/dev/null"));
    printf("%d\n", static_cast<int>(writer.SaveTensor(Bytes(), line).code()));
  }
}

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "write" && argc == 3) {
    Write(argv[2]);
  } else if (what == "read") {
    Read();
  } else if (what == "name") {
    Name();
  } else {
    return 2;
  }
  return 0;
}
