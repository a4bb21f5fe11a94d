FROM python:3.13-slim AS packages
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.13-slim
RUN groupadd --gid 10001 app \
    && useradd --uid 10001 --gid app --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app \
    && install -d -o app -g app -m 0700 /var/lib/controlplane
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STATIC_ROOT=/app/staticfiles \
    VAR_DIR=/var/lib/controlplane \
    PORT=8000
# Root owns the code, so the application cannot change it. This key is only for the build and is not stored.
RUN SECRET_KEY=only-while-building VAR_DIR=/tmp/build python manage.py collectstatic --noinput \
    && python -m compileall -q /app \
    && rm -rf /tmp/build
USER 10001:10001
EXPOSE 8000
CMD ["gunicorn", "controlplane.wsgi", "--worker-class", "gthread", "--threads", "4", "--no-control-socket"]
