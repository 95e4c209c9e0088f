#!/usr/bin/env bash
# Makes the fixed networks of `street` on one GPU, all at once, and shows what a small CRN learns from the loss.
#
#     benchmarks/fixed_networks.sh OUT [MINUTES of training each] [WORKERS each] [further options of all trainings]
#
# OUT/{judge,segmenter,perceptual}.{safetensors,yaml} are as those that ship were before their further training (see
# their cards); OUT/weak/ holds a perceptual network with half the
# margins, to compare. OUT/commitment.png shows both.
set -uo pipefail
out=${1:?OUT is missing}; minutes=${2:-1.25}; workers=${3:-4}; shift $(($# < 3 ? $# : 3))
python=${PYTHON:-python}
export OMP_NUM_THREADS=1
mkdir -p "$out/weak"
make() { "$python" -m tools.fixed_networks "$1" --out "$2" --minutes "$minutes" --workers "$workers" "${@:4}" >"$3" 2>&1; }
make judge "$out" "$out/judge.log" "$@" &
make segmenter "$out" "$out/segmenter.log" "$@" &
make perceptual "$out" "$out/perceptual.log" "$@" &
make perceptual "$out/weak" "$out/weak/perceptual.log" --margin .5 "$@" &
wait
for log in "$out"/*.log "$out"/weak/*.log; do echo "== $log"; tail -n 18 "$log"; done
"$python" -m benchmarks.commitment "$out" "$out/weak" --out "$out/commitment.png" --minutes "${COMMITMENT_MINUTES:-.7}" \
  --scenes "${COMMITMENT_SCENES:-1600}" --steps "${COMMITMENT_STEPS:-2400}" --workers 16 2>&1 | tail -n 5
