// When does someone speak? Silero VAD on a WAV file, 32 ms at a time, as it would hear a microphone: what it remembers is
// a state of the session, and a segment is printed as soon as it has ended.
//
// usage: voice MODEL.lrm SPEECH.wav      input f32 [1 576] (64 samples that it had before, 512 new ones), output f32 [1 1];
//                                        a WAV of 16 kHz, 16 bits, one channel
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>

#include <lite_runtime.hpp>

namespace {
constexpr int kRate = 16000, kNew = 512, kBefore = 64;

// The samples of a WAV file, read as they are asked for.
class Wav {
 public:
  explicit Wav(const std::string &path) : file_(path, std::ios::binary) {
    char head[12];
    if (!file_.read(head, 12) || std::memcmp(head, "RIFF", 4) || std::memcmp(head + 8, "WAVE", 4))
      throw std::runtime_error(path + ": is not a WAV file");
    bool format = false;
    for (char chunk[8]; file_.read(chunk, 8);) {
      const std::uint32_t bytes = number(chunk + 4, 4);
      if (!std::memcmp(chunk, "data", 4) && format) {
        left_ = bytes / 2;
        return;
      }
      char f[16] = {};
      const std::uint32_t known = !std::memcmp(chunk, "fmt ", 4) && bytes >= 16 ? 16 : 0;
      if (known && file_.read(f, 16)) {
        format = number(f, 2) == 1 && number(f + 2, 2) == 1 && number(f + 4, 4) == kRate &&
                 number(f + 14, 2) == 16;
        if (!format) throw std::runtime_error(path + ": is not PCM of 16 kHz, 16 bits and one channel");
      }
      file_.ignore(std::streamsize{bytes} - known + bytes % 2);  // chunks begin at even places
    }
    throw std::runtime_error(path + ": ends before its samples");
  }

  // Up to n samples in [-1, 1); returns how many.
  int read(float *to, int n) {
    int i = 0;
    for (char two[2]; i < n && left_ && file_.read(two, 2); i++, left_--)
      to[i] = static_cast<float>(static_cast<std::int16_t>(number(two, 2))) / 32768.0f;
    return i;
  }

 private:
  static std::uint32_t number(const char *bytes, int n) {  // little endian
    std::uint32_t v = 0;
    for (int i = n; i-- > 0;) v = v << 8 | static_cast<unsigned char>(bytes[i]);
    return v;
  }

  std::ifstream file_;
  std::uint32_t left_ = 0;
};

// Segments of speech from the probability of each piece: one begins at 0.5 and more, and ends before the first of four
// pieces in a row below 0.35.
class Segments {
 public:
  void add(float probability) {
    quiet_ = probability < 0.35f ? quiet_ + 1 : 0;
    if (begin_ < 0 && probability >= 0.5f) begin_ = at_;
    at_++;
    if (begin_ >= 0 && quiet_ == 4) end(at_ - 4);
  }
  void finish() {
    if (begin_ >= 0) end(at_ - quiet_);
  }

 private:
  void end(int at) {
    std::printf("%.3f %.3f\n", static_cast<double>(begin_) * kNew / kRate,
                static_cast<double>(at) * kNew / kRate);
    begin_ = -1;
  }

  int at_ = 0, begin_ = -1, quiet_ = 0;
};

void listen(const char *model_path, const char *wav_path) {
  const lite_runtime::Model model(model_path);
  if (model.count(LR_STATE) != 1)
    throw std::runtime_error("the model has no state; convert it with --state stateN=state");
  auto options = lite_runtime::defaults<lr_session_options>();
  options.threads = 1;  // such a small model only waits for others
  lite_runtime::Session session(model, &options);
  const lite_runtime::Port in = session.input("input"), out = session.output("output");
  session.resize(in, {1, kBefore + kNew});
  std::array<float, kBefore + kNew> samples{};  // what the model reads
  session.bind(in, samples.data(), sizeof samples);
  session.plan();
  Wav wav(wav_path);
  Segments segments;
  while (const int n = wav.read(samples.data() + kBefore, kNew)) {
    std::fill(samples.begin() + kBefore + n, samples.end(), 0.0f);
    session.run();
    segments.add(session.tensor(out).as<const float>()[0]);
    std::copy(samples.end() - kBefore, samples.end(), samples.begin());
  }
  segments.finish();
}
}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: voice MODEL.lrm SPEECH.wav\n"), 2;
  try {
    listen(argv[1], argv[2]);
  } catch (const std::exception &e) {
    std::fprintf(stderr, "voice: %s\n", e.what());
    return 1;
  }
}
