stress-ng --cpu 2 --cpu-ops 60 --verify -q && echo cpu
stress-ng --vm 1 --vm-bytes 16m --vm-ops 2000 --verify -q && echo vm
stress-ng --futex 2 --futex-ops 2000 -q && echo futex
stress-ng --sigq 1 --sigq-ops 2000 -q && echo signal
stress-ng --fork 2 --fork-ops 200 -q && echo fork
stress-ng --switch 2 --switch-ops 5000 -q && echo switch
