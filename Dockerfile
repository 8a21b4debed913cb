# The nano tier on CPUs:
#   docker build --tag skyreels-avatar .
#   docker run --rm --volume "$PWD:/data" skyreels-avatar generate --image me.jpg --audio me.wav
FROM python:3.12-slim

COPY . /src
RUN python -m venv /opt/venv \
    && PIP_NO_CACHE_DIR=1 TORCH=cpu /opt/venv/bin/python /src/requirements/install.py

WORKDIR /data
ENTRYPOINT ["/opt/venv/bin/skyreels-avatar"]
CMD ["--help"]
