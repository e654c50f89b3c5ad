cat > a.c <<'EOF'
#include <math.h>
#include <stdio.h>
int main(void) { double s = 0; for (int i = 1; i < 1000; ++i) s += sqrt(i) / i; printf("%.12f %d\n", s, __aarch64__); return 0; }
EOF
cat > b.cpp <<'EOF'
#include <algorithm>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
int main() {
    std::map<std::string, int> m; std::vector<int> v;
    for (int i = 0; i < 1000; ++i) { m["k" + std::to_string(i % 37)] += i; v.push_back(i * 7919 % 1000); }
    std::sort(v.begin(), v.end());
    try { throw std::runtime_error("thrown"); } catch (const std::exception& e) { std::cout << e.what() << '\n'; }
    int r = 0; std::thread t([&] { r = m["k5"]; }); t.join();
    std::cout << m.size() << ' ' << v[500] << ' ' << r << '\n';
}
EOF
gcc -O2 -Wall a.c -o a -lm && ./a && g++ -O1 b.cpp -o b -pthread && ./b && gcc -static -O2 a.c -o as -lm && ./as
cat > Makefile <<'EOF'
all: x.o y.o ; cat x.o y.o
%.o: %.src ; sed 's/a/b/' $< > $@
EOF
echo aaa > x.src; echo cac > y.src; make -s -j2
