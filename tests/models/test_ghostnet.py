from tfcompress.models import ghostnet
from tfcompress.profiling.keras_model import profile_keras_model

# Table 1 of arXiv:1911.11907: kernel, expanded, filters, squeeze, stride.
TABLE = [(3, 16, 16, 0, 1), (3, 48, 24, 0, 2), (3, 72, 24, 0, 1), (5, 72, 40, 20, 2)]
TABLE += [(5, 120, 40, 32, 1), (3, 240, 80, 0, 2), (3, 200, 80, 0, 1)]
TABLE += [(3, 184, 80, 0, 1)] * 2 + [(3, 480, 112, 120, 1), (3, 672, 112, 168, 1)]
TABLE += [(5, 672, 160, 168, 2)] + [(5, 960, 160, 0, 1), (5, 960, 160, 240, 1)] * 2


def test_published_counts():
    side, num_in = 112, 16
    params, macs = 27 * 16 + 4 * 16, side**2 * 27 * 16
    for kernel, wide, num_out, squeeze, stride in TABLE:
        params += num_in * wide // 2 + 9 * wide // 2 + 4 * wide
        macs += side**2 * (num_in * wide // 2 + 9 * wide // 2)
        side //= stride
        if stride == 2:
            params += kernel**2 * wide + 4 * wide
            macs += side**2 * kernel**2 * wide
        if squeeze:
            params += 2 * wide * squeeze + wide + squeeze
            macs += 2 * wide * squeeze
        params += wide * num_out // 2 + 9 * num_out // 2 + 4 * num_out
        macs += side**2 * (wide * num_out // 2 + 9 * num_out // 2)
        if stride == 2 or num_in != num_out:
            params += kernel**2 * num_in + 4 * num_in + num_in * num_out + 4 * num_out
            macs += side**2 * (kernel**2 * num_in + num_in * num_out)
        num_in = num_out
    params += 160 * 960 + 4 * 960 + 960 * 1280 + 1280 + 1280 * 1000 + 1000
    macs += side**2 * 160 * 960 + 960 * 1280 + 1280 * 1000
    totals = profile_keras_model(ghostnet()).totals
    # The paper: 5.2 M and 141 M.
    assert totals.params == params == 5_204_476
    assert totals.macs == macs == 141_150_512
